"""What can be wrong with a dataset or with what is uploaded to one.

DatasetError               code                 raised by
├─ UnreadableUploadError   upload_unreadable    the parsers: the bytes are not what their format says
├─ UploadTooLargeError     upload_too_large     the parsers: a bound is passed
├─ MisfitError             upload_misfit        the upload does not fit the dataset's schema
├─ NothingAcceptedError    nothing_accepted     every row was rejected
├─ BadSignatureError       bad_signature        the acquisition format: the signature is missing or wrong
├─ BadSplitError           bad_split            the split: the parts do not add up, or one would be empty
└─ BadSnapshotError        bad_snapshot         the snapshot file is damaged, or not the one asked for

Nothing here knows HTTP: the server maps a code to a status.
"""

from __future__ import annotations

from zoo.errors import ZooError


class DatasetError(ZooError):
    """A dataset, or what is uploaded to one."""


class UnreadableUploadError(DatasetError):
    """The bytes are not what their format says."""

    code = "upload_unreadable"
    default_remedy = "Check the file and its format; docs/reference/dataset-formats.md shows each with an example."
    default_field = "body"


class UploadTooLargeError(DatasetError):
    """The upload passes one of the bounds that keep a server alive."""

    code = "upload_too_large"
    default_remedy = "Upload it in several parts."
    default_field = "body"


class MisfitError(DatasetError):
    """The upload is well formed, but not of this dataset's schema."""

    code = "upload_misfit"
    default_remedy = "Upload samples of the dataset's shape and columns, or make another dataset for these."
    default_field = "body"


class NothingAcceptedError(DatasetError):
    """Not one sample could be used."""

    code = "nothing_accepted"
    default_remedy = "Correct the rows; the reason is given for the first one."
    default_field = "body"


class BadSignatureError(DatasetError):
    """The signature of an acquisition is missing or wrong."""

    code = "bad_signature"
    default_remedy = "Sign the message with HS256 and the dataset's key, or send alg `none` to a dataset without a key."
    default_field = "body.signature"


class BadSplitError(DatasetError):
    """The samples cannot be split as asked."""

    code = "bad_split"
    default_remedy = "Give shares between 0 and 1 that add up to 1, and enough samples or groups for each part."
    default_field = "body"


class BadSnapshotError(DatasetError):
    """The snapshot's file is damaged or another one."""

    code = "bad_snapshot"
    default_remedy = "Make the snapshot again from its dataset."
