"""What can be wrong with an offloading: its confs, pipelines, network, weights, or how they fit together.

OffloadError (a TrainingError)   code                 raised by
├─ ConfError                     conf_invalid         conf: with line and column where it is no JSON
├─ PipelineError                 pipeline_invalid     pipeline: with the column
├─ DescriptionError              network_invalid      description: the section of the .ini at fault
├─ WeightsError                  weights_invalid      weights: the .bin is not one of this network
├─ MisfitError                   offload_unsuitable   plan: each part is well formed, and they do not fit together
└─ WireError                     edge_wire_invalid    edge_*: a peer of nnstreamer-edge's wire broke it, or a limit
"""

from __future__ import annotations

from zoo.training.errors import TrainingError


class OffloadError(TrainingError):
    """An offloading, or what is given to one."""


class ConfError(OffloadError):
    """A conf is not one."""

    code = "conf_invalid"
    default_remedy = "Send strict JSON; docs/reference/offloading.md shows every key. JSON has no comments."
    default_field = "conf"


class PipelineError(OffloadError):
    """A pipeline's text cannot be read, or lacks an element that is needed."""

    code = "pipeline_invalid"
    default_remedy = "Write it as gst-launch takes it: elements with name=value properties between exclamation marks."
    default_field = "pipeline"


class DescriptionError(OffloadError):
    """The .ini describes no network that can be trained here."""

    code = "network_invalid"
    default_remedy = "docs/reference/offloading.md lists the layers and options that are taken."
    default_field = "ini"


class WeightsError(OffloadError):
    """The .bin holds no weights of this network."""

    code = "weights_invalid"
    default_remedy = "Send the file that nntrainer saved for exactly this .ini, or leave it out."
    default_field = "bin"


class MisfitError(OffloadError):
    """Confs, network, weights and data are well formed, and do not fit together."""

    code = "offload_unsuitable"
    default_remedy = "Compare the pipelines' figures with the .json and the .ini."


class WireError(OffloadError):
    """A peer on nnstreamer-edge's wire says what is no message, too much, too late, or nothing at all."""

    code = "edge_wire_invalid"
    default_remedy = "Speak nnstreamer-edge 0.2.5 or later over TCP, or transfer over HTTP, without --edge."
