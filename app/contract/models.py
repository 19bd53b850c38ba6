"""The bodies of the HTTP API, generated from openapi.yaml by tools/generate-contract; do not edit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel


class Error(BaseModel):
    field: str
    detail: str


class Problem(BaseModel):
    """
    RFC 9457
    """

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="What went wrong")]
    slug: Annotated[str, Field(description="The problem's stable name")]
    remedy: Annotated[str, Field(description="What to do next")]
    field: Annotated[str | None, Field(description="Where in the request, as `body.board`")] = None
    errors: list[Error] | None = None


class Health(BaseModel):
    status: Literal["alive"]
    version: str


class Readiness(BaseModel):
    ready: bool
    checks: Annotated[dict[str, str], Field(description="`ok`, or what is wrong, for each part")]
    lwm2m: Annotated[str | None, Field(description="The LwM2M server's address")]
    lwm2m_secure: Annotated[str | None, Field(description="The same over DTLS")]
    builder_engine: Annotated[
        Literal["docker", "local"],
        Field(description="`local`: no Docker Engine answers and the shipped builder runs as a process"),
    ]


class Board(BaseModel):
    name: str
    cpu: str
    flash_bytes: int
    ram_bytes: int
    builders: Annotated[list[str], Field(description="Ids of the builders for it")]


class BoardPage(BaseModel):
    items: list[Board]
    next_cursor: str | None


class BuilderRegistration(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    image: Annotated[
        str,
        Field(
            description="An image reference, best with its digest",
            examples=["tinymlaas/cortex-m:latest"],
            max_length=300,
            min_length=1,
            pattern="^[A-Za-z0-9][A-Za-z0-9._/:@-]*$",
        ),
    ]


class BuilderBoard(BaseModel):
    name: str
    cpu: str
    flash_bytes: int
    ram_bytes: int


class BuilderRule(BaseModel):
    id: Annotated[str, Field(examples=["sandbox.network"])]
    title: str
    outcome: Literal["passed", "failed", "skipped"]
    detail: Annotated[str, Field(description="What was seen")]
    remedy: Annotated[str, Field(description="What to do when it failed")]


class Model(BaseModel):
    name: str
    task: str | None
    description: str | None
    active_version: Annotated[int, Field(description="What `predict` and a build without a version use")]
    latest_version: int
    created_at: AwareDatetime


class ModelPage(BaseModel):
    items: list[Model]
    next_cursor: str | None


class Tensor(BaseModel):
    name: str
    shape: list[int]
    dtype: str
    scale: float | None
    zero_point: int | None


class OperatorCount(BaseModel):
    name: str
    count: int


class ModelReport(BaseModel):
    """
    What inspection found
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    operators: list[OperatorCount]
    parameters: Annotated[int, Field(description="Trained numbers")]
    macs: Annotated[int, Field(description="Multiply-accumulates in one inference")]
    flash_estimate_bytes: int
    ram_estimate_bytes: int
    is_int8: Annotated[
        bool,
        Field(
            description="Whether it computes in int8; float32 may be at its edges and in single operators between a DEQUANTIZE and a QUANTIZE"
        ),
    ]


class ModelFormat(BaseModel):
    format: Literal["keras", "float32", "float16", "dynamic_range", "nntrainer", "trainable"]
    sha256: str
    size: Annotated[int, Field(description="Bytes")]


class ParentVersion(BaseModel):
    model: str
    version: int
    sha256: str


class EvaluationMetric(BaseModel):
    name: Annotated[str, Field(examples=["accuracy"])]
    better: Literal["higher", "lower"]
    float32: Annotated[float | None, Field(description="Null when there is no float form")]
    int8: float


class ModelEvaluation(BaseModel):
    model: str
    version: int
    snapshot_sha256: Annotated[str | None, Field(description="Null for a model that ships with its evaluation")]
    task: Literal["classification", "regression", "anomaly-detection"]
    samples: int
    split: Literal["test", "validation"]
    metric: EvaluationMetric
    float32: Annotated[dict[str, Any] | None, Field(description="The figures of the float form")]
    int8: Annotated[dict[str, Any], Field(description="The figures of the int8 form")]
    drift: Annotated[dict[str, Any] | None, Field(description="int8 against float")]
    pictures: list[Literal["confusion", "calibration", "errors", "drift"]]


class Recipe(BaseModel):
    name: str
    recipe: Annotated[dict[str, Any], Field(description="By the JSON Schema zoo/training/recipe.schema.json")]


class RecipeName(RootModel[str]):
    root: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]


class RecipePage(BaseModel):
    items: list[Recipe]
    next_cursor: str | None


class TrainingComparison(BaseModel):
    form: Literal["float32", "float16", "dynamic_range", "int8"]
    size: Annotated[int, Field(description="Bytes")]
    metric: str
    value: float
    instructions: Annotated[
        int, Field(description="Of one inference on a Cortex-M4, estimated from its multiply-accumulates")
    ]


class TrainingFailure(BaseModel):
    slug: str
    detail: str
    remedy: str
    field: Annotated[str | None, Field(description="Where in the recipe, as `layers[2]`")]


class TrainingJob(BaseModel):
    id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    kind: Annotated[
        Literal[
            "centralised",
            "transfer",
            "incremental",
            "quantise",
            "evaluate",
            "reference",
            "trainable",
            "offload",
            "federation-result",
        ],
        Field(description="`offload` is begun by a session of offloading, `federation-result` by a federation"),
    ]
    model: str
    version: Annotated[int | None, Field(description="The version that came out")]
    parent: ParentVersion | None
    snapshot_sha256: str
    dataset: str | None
    recipe: dict[str, Any] | None
    seed: int | None
    epochs_done: int
    epochs_total: Annotated[int, Field(description="0 for a kind that does not learn")]
    metric: EvaluationMetric | None
    comparison: Annotated[list[TrainingComparison], Field(description="Of a quantisation")]
    error: TrainingFailure | None
    attempts: Annotated[int, Field(description="How often a worker was started")]
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    seconds: Annotated[float | None, Field(description="From start to end")]


class TrainingJobPage(BaseModel):
    items: list[TrainingJob]
    next_cursor: str | None


class TrainingMetrics(BaseModel):
    job_id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    epochs: Annotated[
        list[dict[str, float]],
        Field(
            description="Each has `epoch` (from 1), `loss`, `validation_loss`, and the same of `accuracy` or `mean_absolute_error`"
        ),
    ]


class FederationTraining(BaseModel):
    """
    How a client trains in a round
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    epochs: Annotated[int, Field(ge=1, le=100)] = 1
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 16
    learning_rate: Annotated[float, Field(description="Boards are told it in millionths", ge=1e-06, le=10.0)] = 0.01


class FederationRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    name: Annotated[
        str | None,
        Field(description="Without it the model's", examples=["ward-7"], pattern="^[a-z0-9][a-z0-9-]{0,62}$"),
    ] = None
    model: Annotated[
        str,
        Field(
            description="Where it starts from; the average becomes its next version",
            examples=["trained-digits"],
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        ),
    ]
    version: Annotated[int | None, Field(description="Without it the active one", ge=1, le=2147483647)] = None
    scope: Annotated[
        Literal["all", "head"],
        Field(description="`head`: kernel and bias of the last dense layer alone, as small boards train it"),
    ] = "all"
    snapshot: Annotated[
        str,
        Field(description="Held-out data of the operator, for the accuracy of each round", pattern="^[0-9a-f]{64}$"),
    ]
    rounds: Annotated[int, Field(description="Abandoned rounds count too", ge=1, le=1000)] = 30
    fraction: Annotated[float, Field(description="Of the clients that are selected in a round", gt=0.0, le=1.0)] = 1.0
    minimum_clients: Annotated[int, Field(description="Fewer updates than these make no average", ge=1, le=10000)] = 2
    deadline_seconds: Annotated[int, Field(description="How long a round waits", ge=1, le=604800)] = 600
    training: Annotated[
        FederationTraining | None, Field(description="Without it one epoch in batches of 16 at a rate of 0.01")
    ] = None
    clip_norm: Annotated[
        float | None,
        Field(description="The most that an update moves, as L2 norm; a longer one is shortened", gt=0.0, le=1000000.0),
    ] = None
    noise_multiplier: Annotated[
        float,
        Field(
            description="Gaussian noise on the average, times clip_norm and divided by the updates; needs clip_norm",
            ge=0.0,
            le=100.0,
        ),
    ] = 0
    outlier_factor: Annotated[
        float | None,
        Field(
            description="Leave out updates whose norm is above the median by more than so many times the median deviation, or a fifth of the median where that is more; of four updates on",
            examples=[6],
            ge=1.0,
            le=1000.0,
        ),
    ] = None
    max_samples: Annotated[
        int, Field(description="The most samples that a client is believed to have", ge=1, le=4294967295)
    ] = 100000
    seed: Annotated[int, Field(description="Of the selection of clients", ge=0, le=2147483647)] = 1


class FederationSettings(BaseModel):
    rounds: int
    fraction: float
    minimum_clients: int
    deadline_seconds: int
    training: FederationTraining
    clip_norm: float | None
    noise_multiplier: float
    outlier_factor: float | None
    max_samples: int
    seed: int


class FederationParameter(BaseModel):
    name: Annotated[str, Field(examples=["dense/kernel"])]
    shape: Annotated[list[int], Field(description="Keras' layout: a dense kernel is [in, out]")]


class FederationScore(BaseModel):
    metric: Literal["accuracy", "mean_absolute_error"]
    value: float
    loss: float


class FederationHistory(BaseModel):
    round: Annotated[int, Field(description="0: before the first round")]
    score: FederationScore


class FederationFailure(BaseModel):
    slug: str
    detail: str
    remedy: str


class FederationResult(BaseModel):
    model: str
    version: int


class FederationClientRequest(BaseModel):
    """
    One of the two
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    name: Annotated[
        str | None,
        Field(
            description="A client that fetches rounds by itself, with its token",
            examples=["clinic-3"],
            pattern="^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$",
        ),
    ] = None
    endpoint: Annotated[
        str | None, Field(description="A board that registered over LwM2M", max_length=255, min_length=1)
    ] = None


class FederationClient(BaseModel):
    id: str
    name: str
    endpoint: Annotated[str | None, Field(description="Of a board")]
    created_at: AwareDatetime


class EnrolledFederationClient(BaseModel):
    id: str
    name: str
    endpoint: str | None
    token: Annotated[str | None, Field(description="Shown here and never again; null for a board")]
    created_at: AwareDatetime


class FederationClientPage(BaseModel):
    items: list[FederationClient]
    next_cursor: str | None


class FederationAssignedTraining(BaseModel):
    epochs: int
    batch_size: int
    learning_rate: float
    max_samples: int


class FederationUpdateAccepted(BaseModel):
    accepted: Literal[True]
    samples: int


class FederationUpdate(BaseModel):
    client_id: str
    client: Annotated[str, Field(description="Its name")]
    state: Annotated[
        Literal["accepted", "averaged", "refused", "unused"],
        Field(description="`accepted`: on disk, not averaged yet; `unused`: the round was abandoned"),
    ]
    samples: int | None
    size: Annotated[int, Field(description="Bytes as they came")]
    norm: Annotated[float | None, Field(description="How far it moved from the global weights")]
    loss: float | None
    reason: Annotated[FederationFailure | None, Field(description="Why it was refused")]
    received_at: AwareDatetime


class FederationRound(BaseModel):
    round: int
    state: Literal["open", "aggregating", "closed", "abandoned"]
    selected: Annotated[list[str], Field(description="Names of the clients")]
    minimum_updates: int
    model_sha256: Annotated[str, Field(description="The weights that it starts from: the base of its updates")]
    result_sha256: Annotated[str | None, Field(description="The average")]
    updates: list[FederationUpdate]
    samples: Annotated[int, Field(description="Behind the average")]
    score: Annotated[FederationScore | None, Field(description="Of the average on the held-out data")]
    deadline_at: AwareDatetime
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None


class FederationRoundPage(BaseModel):
    items: list[FederationRound]
    next_cursor: str | None


class Round(BaseModel):
    round: int
    clients: Annotated[
        list[str],
        Field(
            description="Whose weights were averaged; GET /v1/federations/{federation_id}/rounds/{round} names more than these",
            max_length=100,
        ),
    ]
    updates: Annotated[int | None, Field(description="So many were; null in a version of an older server")] = None
    samples: int


class FederationLineage(BaseModel):
    federation_id: str
    scope: Annotated[
        Literal["all", "head"],
        Field(description="`head`: kernel and bias of the last dense layer alone, as small boards train it"),
    ]
    rounds: list[Round]


class OffloadConfText(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    conf: Annotated[str, Field(description="The conf's file as it stands", max_length=262144, min_length=2)]


class OffloadSessionRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    receiver_conf: Annotated[str, Field(description="receiver.conf as it stands", max_length=262144, min_length=2)]
    sender_conf: Annotated[
        str | None, Field(description="sender.conf, when it is known already", max_length=262144, min_length=2)
    ] = None
    model: Annotated[
        str | None,
        Field(
            description="The model of the zoo that gets the new version; without it the service key makes its name",
            examples=["mnist"],
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        ),
    ] = None
    seed: Annotated[
        int, Field(description="Of new weights, of which samples validate, and of their order", ge=0, le=2147483647)
    ] = 1


class OffloadService(BaseModel):
    service: str
    service_type: Literal["model_raw", "model_uri", "pipeline_raw", "pipeline_uri", "reply", "launch"]
    service_key: str
    name: str | None
    activate: bool
    description: str


class OffloadTransfer(BaseModel):
    service: str
    file: Annotated[str | None, Field(description="Null for a pipeline")]


class OffloadConf(BaseModel):
    """
    A conf as it was read
    """

    node_type: Literal["sender", "receiver"]
    host: str | None
    port: str | None
    dest_host: str | None
    dest_port: str | None
    connect_type: Literal["TCP", "HYBRID", "MQTT"]
    topic: str
    time_limit: Annotated[int, Field(description="Seconds")]
    sender_pipeline: str | None
    pipeline: Annotated[str | None, Field(description="The receiver's, as the sender sends it")]
    transfer_data: list[OffloadTransfer]
    services: list[OffloadService]


class OffloadFile(BaseModel):
    name: str
    size: Annotated[int | None, Field(description="Null until it has come")]
    sha256: str | None


class OffloadMetrics(BaseModel):
    session_id: str
    state: Literal["waiting-for-data", "training", "succeeded", "failed", "timed-out", "cancelled"]
    training_result: Annotated[
        list[list[float | None]],
        Field(
            description="For each epoch: training loss, training accuracy, validation loss, validation accuracy; an accuracy is null with loss mse"
        ),
    ]


class OffloadModelVersion(BaseModel):
    key: str
    version: int
    name: Annotated[str, Field(description="The file's")]
    sha256: str
    size: Annotated[int, Field(description="Bytes")]
    description: str
    active: bool
    session_id: Annotated[str | None, Field(description="The session that registered it")]
    created_at: AwareDatetime


class OffloadModelVersions(BaseModel):
    items: list[OffloadModelVersion]


class OffloadDescription(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    description: Annotated[str, Field(max_length=2000)]


class PredictionRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    instances: Annotated[
        list[Any],
        Field(
            description="Each has the input's shape without the batch dimension, in the input's real units. To a model that keeps state they are the steps of one sequence, which begins anew with each request",
            max_length=1024,
            min_length=1,
        ),
    ]


class Prediction(BaseModel):
    prediction: list[Any]


class DatasetRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    name: Annotated[
        str,
        Field(
            description="The name that other calls know the dataset by",
            examples=["gestures"],
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        ),
    ]
    description: Annotated[str, Field(description="What the samples are, for who reads of it", max_length=2000)] = ""
    retain_days: Annotated[
        int | None,
        Field(description="For how many days samples are kept; without it until they are deleted", ge=1, le=36500),
    ] = None
    signing_key: Annotated[
        str | None,
        Field(
            description="With it, acquisitions must be signed with HS256 under this key; kept encrypted, never shown",
            max_length=128,
            min_length=8,
            pattern="^[!-~]+$",
        ),
    ] = None


class DatasetRetention(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    retain_days: Annotated[int | None, Field(description="`null`: until they are deleted", ge=1, le=36500)]


class DataSchema(BaseModel):
    """
    What every sample looks like
    """

    kind: Literal["image", "series", "tabular"]
    shape: Annotated[list[int], Field(description="(height, width, channels), (readings, sensors) or (columns)")]
    dtype: Literal["uint8", "int8", "int16", "float32"]
    features: Annotated[list[str], Field(description="Names along the last axis: channels, sensors, columns")]
    labels: Annotated[list[str], Field(description="The classes in the order of their indices")]
    targets: Annotated[list[str], Field(description="Numbers to be predicted instead of a class")]
    interval_ms: Annotated[float | None, Field(description="From one reading to the next")]


class LabelCount(BaseModel):
    label: Annotated[str | None, Field(description="`null`: without a label")]
    samples: int


class Dataset(BaseModel):
    name: str
    description: str
    retain_days: int | None
    signed: Annotated[bool, Field(description="Whether acquisitions must be signed")]
    data_schema: DataSchema | None
    samples: int
    labels: list[LabelCount]
    uploads: int
    rejected: Annotated[int, Field(description="Rows of all uploads that could not be used")]
    created_at: AwareDatetime


class DatasetPage(BaseModel):
    items: list[Dataset]
    next_cursor: str | None


class Protected(BaseModel):
    ver: Literal["v1"]
    alg: Literal["none", "HS256"]
    iat: float | None = None


class Sensor(BaseModel):
    name: str
    units: str | None = None


class Payload(BaseModel):
    device_name: str | None = None
    device_type: str | None = None
    interval_ms: Annotated[float, Field(ge=0.0)]
    sensors: Annotated[list[Sensor], Field(min_length=1)]
    values: Annotated[list[Any], Field(min_length=1)]


class Acquisition(BaseModel):
    """
    Edge Impulse's data acquisition format
    """

    protected: Protected
    signature: Annotated[str, Field(description="HMAC-SHA256 in hex over the body with 64 zeros in its place")]
    payload: Payload


class RejectedRow(BaseModel):
    place: str
    reason: str


class DatasetUpload(BaseModel):
    id: str
    dataset: str
    format: Literal["csv", "npz", "images", "acquisition-json", "acquisition-cbor", "datarepo"]
    size: Annotated[int, Field(description="Bytes")]
    accepted: Annotated[int, Field(description="Samples")]
    rejected: Annotated[int, Field(description="Rows that could not be used")]
    duplicates: Annotated[int, Field(description="How many of them are in the dataset already")]
    reasons: Annotated[list[RejectedRow], Field(description="The first rejected rows; `/rejected` has the others")]
    created_at: AwareDatetime


class DatasetUploadPage(BaseModel):
    items: list[DatasetUpload]
    next_cursor: str | None


class Sample(BaseModel):
    id: int
    upload_id: str
    label: str | None
    group: Annotated[str | None, Field(description="Who or what it comes from")]
    part: Annotated[Literal["train", "validation", "test"] | None, Field(description="Where its uploader put it")]
    sha256: Annotated[str, Field(description="Of its values and targets")]


class SamplePage(BaseModel):
    items: list[Sample]
    next_cursor: str | None


class SampleDetail(BaseModel):
    id: int
    upload_id: str
    label: str | None
    group: str | None
    part: Literal["train", "validation", "test"] | None
    sha256: str
    values: Annotated[list[Any], Field(description="In the dataset's shape; an instance for `predict`")]
    targets: list[float]


class FeatureStatistics(BaseModel):
    name: str
    count: Annotated[int, Field(description="Values: over all samples, readings and pixels")]
    mean: float
    std: Annotated[float, Field(description="Of the population")]
    minimum: float
    maximum: float
    histogram: Annotated[list[int], Field(description="Counts in 20 equal bins from minimum to maximum")]


class DatasetStatistics(BaseModel):
    samples: int
    labels: list[LabelCount]
    groups: Annotated[int, Field(description="How many different ones the samples come from")]
    features: Annotated[list[FeatureStatistics], Field(description="The first 512")]


class SnapshotRequest(BaseModel):
    """
    How to split; the shares add up to 1
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    train: Annotated[float, Field(description="Share of the training part", ge=0.0, le=1.0)] = 0.7
    validation: Annotated[float, Field(description="Share of the validation part", ge=0.0, le=1.0)] = 0.15
    test: Annotated[float, Field(description="Share of the test part", ge=0.0, le=1.0)] = 0.15
    seed: Annotated[
        int, Field(description="The same samples, shares and seed give the same split", ge=0, le=2147483647)
    ] = 0
    by_group: Annotated[bool, Field(description="Samples of one group, if they have any, stay in one part")] = True


class SnapshotPart(BaseModel):
    samples: int
    labels: list[LabelCount]


class Parts(BaseModel):
    train: SnapshotPart
    validation: SnapshotPart
    test: SnapshotPart


class Snapshot(BaseModel):
    sha256: Annotated[str, Field(description="Of the file; a training job names the snapshot by it")]
    dataset: Annotated[str, Field(description="The dataset it was made of")]
    size: Annotated[int, Field(description="Bytes")]
    samples: int
    data_schema: DataSchema
    split: SnapshotRequest
    parts: Parts
    used_by: Annotated[list[str], Field(description="Training jobs and model versions that depend on it")]
    created_at: AwareDatetime
    removed_at: Annotated[AwareDatetime | None, Field(description="When its file was removed; hash and counts stay")]


class SnapshotPage(BaseModel):
    items: list[Snapshot]
    next_cursor: str | None


class BuildRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    model: Annotated[
        str, Field(description="A model's name", examples=["digits-cnn"], pattern="^[a-z0-9][a-z0-9-]{0,62}$")
    ]
    version: Annotated[int | None, Field(description="Without it the active one", ge=1, le=2147483647)] = None
    board: Annotated[
        str,
        Field(
            description="A board's name, as `GET /v1/boards` lists it",
            examples=["mps2-an386"],
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        ),
    ]
    builder_id: Annotated[
        str | None, Field(description="Without it the newest builder for the board", pattern="^bldr_[0-9a-f]{16}$")
    ] = None
    parameters: Annotated[dict[str, Any], Field(description="As the builder's schema asks")] = {}
    firmware_version: Annotated[
        str,
        Field(
            description="major.minor.revision; the build number is made from the key",
            pattern="^(0|[1-9][0-9]{0,2})\\.(0|[1-9][0-9]{0,2})\\.(0|[1-9][0-9]{0,4})$",
        ),
    ] = "1.0.0"
    security_counter: Annotated[
        int, Field(description="A device refuses an image with a lower one than it runs", ge=1, le=2147483647)
    ] = 1


class EstimateRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    model: Annotated[
        str, Field(description="A model's name", examples=["digits-cnn"], pattern="^[a-z0-9][a-z0-9-]{0,62}$")
    ]
    version: Annotated[int | None, Field(description="Without it the active one", ge=1, le=2147483647)] = None
    board: Annotated[
        str,
        Field(
            description="A board's name, as `GET /v1/boards` lists it",
            examples=["mps2-an386"],
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        ),
    ]
    builder_id: Annotated[
        str | None, Field(description="Without it the newest builder for the board", pattern="^bldr_[0-9a-f]{16}$")
    ] = None
    parameters: Annotated[dict[str, Any], Field(description="As the builder's schema asks")] = {}


class LayerPerformance(BaseModel):
    name: Annotated[str, Field(examples=["layer 2"])]
    operator: Annotated[str, Field(examples=["CONV_2D"])]
    instructions: int | None
    cycles: int | None
    macs: Annotated[int | None, Field(description="Multiply-accumulates")]
    seconds: float | None


class Performance(BaseModel):
    """
    What one inference costs, in one form whether it was estimated or measured. Of the four quantities those are given that
    are known. `measured` is counted on the emulated board (`-icount`), over the golden vectors, the slowest of them.

    """

    basis: Literal["estimated", "measured"]
    instructions: int | None
    cycles: int | None
    macs: Annotated[int | None, Field(description="Multiply-accumulates")]
    seconds: float | None
    layers_basis: Literal["estimated", "measured"]
    layers: list[LayerPerformance]
    details: Annotated[dict[str, float], Field(description="The builder's own figures by name")]
    notes: Annotated[list[str], Field(description="What a figure leaves out or is based on")]


class Memory(BaseModel):
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int


class BuildFailure(BaseModel):
    slug: str
    detail: str
    remedy: str


class BuildArtifact(BaseModel):
    sha256: Annotated[str, Field(description="Of the stored artifact")]
    kind: Annotated[
        Literal["firmware", "model", "bootloader"],
        Field(description="`bootloader`: put in at manufacture, unsigned, the same for every device of a board"),
    ]
    format: Literal["bin", "hex", "elf", "uf2", "tflite", "tar"]
    file: Annotated[str, Field(description="As the builder named it", examples=["model-a.bin"])]
    slot: Annotated[
        str, Field(description="The board's slot that it is linked for, by the manifest's name", examples=["model-a"])
    ]
    size: Annotated[int, Field(description="Bytes")]


class Build(BaseModel):
    id: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    model: str
    version: int
    model_sha256: str
    board: str
    builder_id: str
    builder_digest: str
    parameters: dict[str, Any]
    firmware_version: Annotated[str, Field(description="With the build number")]
    security_counter: int
    key: Annotated[str, Field(description="SHA-256 over everything that determines the artifact")]
    artifact_sha256: Annotated[
        str | None,
        Field(description="The artifact that an update delivers: the firmware if there is any, else the first model"),
    ]
    artifacts: Annotated[list[BuildArtifact], Field(description="Every image that the builder made, in its order")]
    memory: Memory | None
    performance: Annotated[
        Performance | None,
        Field(
            description="The builder's figures; soon after a build for an emulated board, measured ones take their place"
        ),
    ]
    operators: list[OperatorCount]
    toolchain: dict[str, str]
    error: BuildFailure | None
    attempts: Annotated[int, Field(description="How often a worker began it")]
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    seconds: Annotated[float | None, Field(description="From start to end")]


class BuildPage(BaseModel):
    items: list[Build]
    next_cursor: str | None


class Artifact(BaseModel):
    """
    One image, and the build that made it first
    """

    sha256: str
    kind: Annotated[
        Literal["firmware", "model", "bootloader"],
        Field(description="`bootloader`: put in at manufacture, unsigned, the same for every device of a board"),
    ]
    format: Literal["bin", "hex", "elf", "uf2", "tflite", "tar"]
    slot: Annotated[
        str | None,
        Field(description="The board's slot that it is linked for, by the manifest's name", examples=["model-a"]),
    ]
    abi: Annotated[
        str | None,
        Field(
            description="SHA-256 over what a model and a firmware must agree in for one to go with the other, when the builder gave one"
        ),
    ]
    signature: Annotated[
        str | None,
        Field(
            description="ECDSA P-256 over the SHA-256 of the content, DER in base64; null where the content holds its signature (format `bin`) and for a bootloader, which is not signed"
        ),
    ]
    size: int
    board: str
    firmware_version: str
    security_counter: int
    model: str
    version: int
    model_sha256: str
    builder_digest: str
    build_id: str
    devices: Annotated[list[str], Field(description="Endpoints that run it")]
    created_at: AwareDatetime


class ArtifactPage(BaseModel):
    items: list[Artifact]
    next_cursor: str | None


class ModelSlot(BaseModel):
    slot: Annotated[Literal["a", "b"], Field(description="`a` is `/9/0`, `b` is `/9/1`")]
    installed: Annotated[bool, Field(description="A model that can be activated lies there")]
    version: Annotated[str | None, Field(description="Of the image that lies there")]
    active: Annotated[bool, Field(description="Its model runs")]


class InferenceResult(BaseModel):
    prediction: Annotated[Any, Field(description="Nested lists of numbers in the output's real units")]
    label: Annotated[
        str | None,
        Field(description="The card's label of the largest output; null where the card has none", examples=["3"]),
    ]
    instructions: Annotated[int | None, Field(description="`/26242/0/3`; null where the device's clock does not tell")]
    sequence: Annotated[int, Field(description="`/26242/0/2`: the device's number of this input")]


class DeviceInference(BaseModel):
    endpoint: str
    model: Annotated[str, Field(description="The model that answered")]
    version: int
    model_sha256: str
    results: list[InferenceResult]


class TeachRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    instances: Annotated[
        list[Any],
        Field(
            description="Each has the input's shape without the batch dimension, in the input's real units",
            max_length=16,
            min_length=1,
        ),
    ]
    labels: Annotated[
        list[int],
        Field(
            description="For each instance the place of its class among the model's outputs, from 0 on",
            max_length=16,
            min_length=1,
        ),
    ]


class DeviceTraining(BaseModel):
    endpoint: str
    state: Annotated[
        Literal["idle", "training", "trained", "failed"],
        Field(description="`trained`: an update lies ready in `/19/1/0/0`"),
    ]
    samples: Annotated[int, Field(description="Labelled samples that it holds")]
    capacity: Annotated[int | None, Field(description="Samples that fit")]
    round: Annotated[int, Field(description="Of the head that it was given last, or has trained")]
    uses: Annotated[bool, Field(description="Whether the trained head answers inference; else the model's own does")]
    loss: Annotated[float | None, Field(description="Mean cross entropy of the last epoch")]
    steps: Annotated[int | None, Field(description="Of training since its start")]
    persists: Annotated[int | None, Field(description="How often a head was written to its flash")]
    error: Annotated[str | None, Field(description="Why the state is `failed`")]
    features: Annotated[int, Field(description="Inputs of the head")]
    outputs: int
    correct: Annotated[
        int | None,
        Field(description="Samples that the head in use gets right, when they were counted (execute `/26243/0/14`)"),
    ]


class ResourceValue(BaseModel):
    path: Annotated[str, Field(examples=["/3/0/3"])]
    name: Annotated[str | None, Field(description="From the object's model")]
    type: Literal[
        "string", "integer", "unsigned_integer", "float", "boolean", "opaque", "time", "objlnk", "corelink", "none"
    ]
    value: Annotated[
        Any,
        Field(
            description="Numbers as JSON numbers, opaque as lower-case hex, time as seconds since 1970, object links as `3:0`"
        ),
    ]


class ResourceValues(BaseModel):
    endpoint: str
    values: list[ResourceValue]


class ResourceWrite(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    value: Annotated[Any, Field(description="As ResourceValue has it")]
    type: Annotated[
        Literal["string", "integer", "unsigned_integer", "float", "boolean", "opaque", "time", "objlnk", "corelink"]
        | None,
        Field(description="Needed for resources of objects that are not known"),
    ] = None


class ResourceExecution(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    arguments: Annotated[str, Field(description="As LwM2M writes them: `0='x',1`", max_length=1024)] = ""


class ResourceWritten(BaseModel):
    endpoint: str
    path: str


class CredentialsRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    identity: Annotated[
        str | None, Field(description="Without it the endpoint name", max_length=128, min_length=1, pattern="^[!-~]+$")
    ] = None
    key: Annotated[
        str | None, Field(description="Hex; without it the server makes one", pattern="^([0-9a-fA-F]{2}){8,64}$")
    ] = None


class DeviceCredentials(BaseModel):
    endpoint: str
    identity: str
    created_at: AwareDatetime


class IssuedCredentials(BaseModel):
    endpoint: str
    identity: str
    key: Annotated[str, Field(description="Hex; shown this once, kept encrypted")]
    created_at: AwareDatetime


class UpdateRequest(BaseModel):
    """
    `endpoint` and exactly one of `artifact_sha256`, `build_id` and `model_source`
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    endpoint: Annotated[
        str, Field(description="The endpoint name that the device registers under", max_length=255, min_length=1)
    ]
    artifact_sha256: Annotated[
        str | None, Field(description="This image, firmware or a model", pattern="^[0-9a-f]{64}$")
    ] = None
    build_id: Annotated[
        str | None, Field(description="The image of this build that suits the device", pattern="^bld_[0-9a-f]{16}$")
    ] = None
    model_source: Annotated[
        Literal["built-in"] | None,
        Field(description="Back to the model in the device's firmware: `/9/x/11`, nothing is sent"),
    ] = None
    method: Annotated[
        Literal["auto", "fota", "sota"],
        Field(
            description="`fota`: the whole firmware, by Object 5; `sota`: the model alone, by Object 9; `auto`: the smaller that can be"
        ),
    ] = "auto"
    delivery: Annotated[
        Literal["push", "pull"],
        Field(description="`push`: the server writes the package; `pull`: the device fetches it from a URI"),
    ] = "pull"
    severity: Annotated[
        Literal["critical", "mandatory", "optional"] | None,
        Field(description="How urgent it is: written to `/5/0/11` before the package. Needs Object 5 of version 1.1"),
    ] = None
    max_defer_seconds: Annotated[
        int | None,
        Field(
            description="How long a user may put the installation off: written to `/5/0/13`; then the device installs by itself. Needs Object 5 of version 1.1",
            ge=0,
            le=2592000,
        ),
    ] = None


class InferenceFigures(BaseModel):
    """
    What the device measured since its start, in ticks of its clock: that its inference goes on during an update
    """

    longest_gap_ticks: Annotated[
        int, Field(description="`/26241/0/8`: from the end of one inference to the start of the next, the longest")
    ]
    inference_ticks: Annotated[int, Field(description="`/26241/0/9`: one inference, the longest")]
    inferences: Annotated[int, Field(description="`/26241/0/12`")]


class Update(BaseModel):
    id: str
    kind: Annotated[Literal["fota", "sota"], Field(description="`fota`: by Object 5; `sota`: by Object 9")]
    slot: Annotated[
        str | None,
        Field(
            description="Where the image goes, by the manifest's name; `built-in` for the way back to the firmware's own model",
            examples=["model-b"],
        ),
    ]
    choice_reason: Annotated[
        str | None,
        Field(
            description="Why this kind and this slot",
            examples=[
                "SOTA: the model alone, 38,412 bytes, goes into slot b of 1,048,576 while the model of slot a runs; its ABI 9f3c2d1ab07e is the firmware's."
            ],
        ),
    ]
    endpoint: str
    artifact_sha256: Annotated[
        str | None,
        Field(description="What the device shall run; null for `built-in` of a firmware that was not built here"),
    ]
    previous_sha256: str | None
    delivery: Literal["push", "pull"]
    severity: Literal["critical", "mandatory", "optional"] | None
    max_defer_seconds: int | None
    state: Literal[
        "pending",
        "downloading",
        "downloaded",
        "updating",
        "verifying",
        "succeeded",
        "failed",
        "rolled-back",
        "cancelled",
    ]
    reason: Annotated[str | None, Field(description="Why it ended so")]
    result: Annotated[int | None, Field(description="`/5/0/5`, or `/9/x/9` for SOTA, as the device reported it")]
    bytes_sent: int
    bytes_total: int
    expected_version: str
    reported_version: str | None
    report: Annotated[dict[str, Any] | None, Field(description="The device's own report of the golden vectors")]
    inference: Annotated[
        InferenceFigures | None, Field(description="For SOTA, at its end, from a device that measures")
    ]
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    deadline_at: Annotated[AwareDatetime | None, Field(description="When the present state is given up")]
    delivery_seconds: float | None


class UpdatePage(BaseModel):
    items: list[Update]
    next_cursor: str | None


class UpdateStep(BaseModel):
    at: AwareDatetime
    state: str
    text: str


class UpdateExplanation(BaseModel):
    id: str
    kind: Literal["fota", "sota"]
    choice_reason: Annotated[str | None, Field(description="Why this kind and this slot")]
    state: Literal[
        "pending",
        "downloading",
        "downloaded",
        "updating",
        "verifying",
        "succeeded",
        "failed",
        "rolled-back",
        "cancelled",
    ]
    summary: str
    device_result: Annotated[str | None, Field(description="`/5/0/5`, or `/9/x/9` for SOTA, decoded")]
    next: Annotated[str, Field(description="What happens next, or what to do")]
    steps: list[UpdateStep]


class Event(BaseModel):
    id: int
    at: AwareDatetime
    type: Annotated[str, Field(examples=["build.succeeded"])]
    subject: Annotated[str, Field(examples=["build/bld_0123456789abcdef"])]
    data: dict[str, Any]


class EventPage(BaseModel):
    items: list[Event]
    next_cursor: str | None


class DriftDistribution(BaseModel):
    statistic: Annotated[
        Literal["classes", "confidence", "output", "input_mean", "input_deviation"],
        Field(
            description="A classifier has `classes` and `confidence`, every other model `output`, the mean of its outputs"
        ),
    ]
    counts: list[int]
    edges: Annotated[list[float] | None, Field(description="Between the bins, one less than these; null for classes")]
    mean: float | None
    deviation: float | None


class DriftReference(BaseModel):
    """
    What the version does on the held-out samples of the snapshot
    """

    task: str
    split: Literal["validation", "test"]
    samples: int
    labels: list[str]
    distributions: list[DriftDistribution]


class DriftDevice(BaseModel):
    endpoint: str
    samples: Annotated[int, Field(description="Inferences counted")]
    windows: Annotated[int, Field(description="Windows that are full")]
    skipped: Annotated[
        dict[str, int],
        Field(
            description="What was told and not counted: `too_many` in too short a time, `output_size`, `not_finite`, `other_model`"
        ),
    ]
    above: Annotated[dict[str, int], Field(description="Windows in a row above the threshold, by statistic")]
    alarm_id: Annotated[str | None, Field(description="The open alarm")]
    updated_at: AwareDatetime


class DriftDevicePage(BaseModel):
    items: list[DriftDevice]
    next_cursor: str | None


class DriftComparison(BaseModel):
    statistic: Annotated[
        Literal["classes", "confidence", "output", "input_mean", "input_deviation"],
        Field(
            description="A classifier has `classes` and `confidence`, every other model `output`, the mean of its outputs"
        ),
    ]
    method: Annotated[
        Literal["psi", "ks"], Field(description="Population stability index, or the distance of Kolmogorov and Smirnov")
    ]
    value: float
    threshold: float
    drifted: Annotated[bool, Field(description="The value is above the threshold")]
    samples: Annotated[int, Field(description="Values in the window")]


class DriftWindow(BaseModel):
    number: int
    samples: int
    distributions: list[DriftDistribution]
    comparisons: Annotated[list[DriftComparison] | None, Field(description="Null while the window is open")]
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None


class DriftWindows(BaseModel):
    device: DriftDevice
    windows: Annotated[list[DriftWindow], Field(description="Newest first, 32 at most")]


class AlarmAction(BaseModel):
    kind: Literal["none", "training_job", "federation"]
    state: Annotated[
        Literal["none", "pending", "opened", "skipped", "failed"],
        Field(description="`skipped`: what an earlier alarm opened is not old enough yet, or the monitor is gone"),
    ]
    job_id: Annotated[
        str | None, Field(description="The training job that was opened; of a skipped one that of the earlier alarm")
    ]
    federation_id: Annotated[str | None, Field(description="The federation, likewise")]
    error: TrainingFailure | None


class Alarm(BaseModel):
    id: str
    state: Literal["open", "cleared"]
    monitor_id: str
    endpoint: str
    model: str
    version: int
    statistic: Annotated[
        Literal["classes", "confidence", "output", "input_mean", "input_deviation"],
        Field(description="Which raised it"),
    ]
    method: Literal["psi", "ks"]
    value: Annotated[float, Field(description="When it was raised")]
    threshold: float
    window: Annotated[int, Field(description="Number of the window that raised it")]
    samples: Annotated[int, Field(description="Inferences in that window")]
    latest: Annotated[
        list[DriftComparison], Field(description="Every statistic of the newest window, while it is open")
    ]
    action: AlarmAction
    since: Annotated[AwareDatetime, Field(description="When the first of the windows that raised it was opened")]
    raised_at: AwareDatetime
    acknowledged_at: AwareDatetime | None
    note: Annotated[str | None, Field(description="Of whom acknowledged it")]
    cleared_at: AwareDatetime | None
    cleared_because: Annotated[
        Literal["recovered", "model_changed", "monitor_removed"] | None,
        Field(description="`model_changed`: the device runs another one now"),
    ]


class AlarmPage(BaseModel):
    items: list[Alarm]
    next_cursor: str | None


class AlarmAcknowledgement(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    note: Annotated[str | None, Field(description="For whoever reads it later", max_length=2000)] = None


class BuilderCheck(BaseModel):
    id: Annotated[str, Field(examples=["chk_0123456789abcdef"])]
    builder_id: str
    digest: str
    state: Annotated[
        Literal["queued", "running", "passed", "failed"],
        Field(description="`failed`: a rule is broken, or, with `error`, the check could not be made"),
    ]
    rules: Annotated[list[BuilderRule], Field(description="Those that were tried so far, in their order")]
    error: BuildFailure | None
    attempts: Annotated[int, Field(description="How often a worker began it")]
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None


class Lineage(BaseModel):
    job_id: str
    kind: Annotated[
        Literal[
            "centralised",
            "transfer",
            "incremental",
            "quantise",
            "evaluate",
            "reference",
            "trainable",
            "offload",
            "federation-result",
        ],
        Field(description="`offload` is begun by a session of offloading, `federation-result` by a federation"),
    ]
    snapshot_sha256: Annotated[str, Field(description="The data")]
    dataset: str | None
    recipe: Annotated[dict[str, Any] | None, Field(description="What it was trained with and can be trained on with")]
    seed: int | None
    parent: ParentVersion | None
    federation: Annotated[FederationLineage | None, Field(description="The federation that it is the average of")] = (
        None
    )
    code: Annotated[dict[str, str], Field(description="The hash of the training code and the version of TensorFlow")]


class TrainingJobRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    kind: Literal["centralised", "transfer", "incremental", "quantise", "evaluate", "reference", "trainable"]
    model: Annotated[
        str,
        Field(
            description="The model that gets the new version; a new name makes a new model",
            examples=["my-digits"],
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        ),
    ]
    snapshot: Annotated[
        str | None,
        Field(
            description="A data set's snapshot; without it the one that the parent was trained on",
            pattern="^[0-9a-f]{64}$",
        ),
    ] = None
    recipe: Annotated[
        RecipeName | dict[str, Any] | None,
        Field(description="A recipe, or the name of one that ships", examples=["digits-cnn"]),
    ] = None
    parent_model: Annotated[
        str | None, Field(description="Without it `model`", pattern="^[a-z0-9][a-z0-9-]{0,62}$")
    ] = None
    parent_version: Annotated[int | None, Field(description="Without it the active one", ge=1, le=2147483647)] = None
    epochs: Annotated[int | None, Field(description="In place of the recipe's", ge=1, le=1000)] = None
    seed: Annotated[int | None, Field(description="In place of the recipe's", ge=0, le=2147483647)] = None
    activate: Annotated[bool, Field(description="Make the new version the active one")] = False
    scope: Annotated[
        Literal["all", "head"] | None, Field(description="Of kind `trainable`; without it the whole network")
    ] = None
    batch: Annotated[
        int | None,
        Field(
            description="Samples of one step on the device, of kind `trainable`; without it the recipe's batch",
            ge=1,
            le=1024,
        ),
    ] = None


class Federation(BaseModel):
    id: str
    name: str
    state: Literal["preparing", "enrolling", "running", "finishing", "finished", "failed", "cancelled"]
    model: str
    version: Annotated[int, Field(description="Where it started from")]
    scope: Annotated[
        Literal["all", "head"],
        Field(description="`head`: kernel and bias of the last dense layer alone, as small boards train it"),
    ]
    snapshot_sha256: str
    settings: FederationSettings
    parameters: Annotated[
        list[FederationParameter] | None, Field(description="What is trained, in this order; null while it is prepared")
    ]
    trainable: Annotated[
        dict[str, Any] | None, Field(description="The document of the trainable model: layers, shapes, scaling")
    ]
    clients: Annotated[int, Field(description="How many are enrolled")]
    round: Annotated[int, Field(description="The newest round; 0 before the first")]
    history: list[FederationHistory]
    result: FederationResult | None
    training_job_id: Annotated[str | None, Field(description="The job that prepares or finishes it")]
    error: FederationFailure | None
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None


class FederationPage(BaseModel):
    items: list[Federation]
    next_cursor: str | None


class FederationAssignment(BaseModel):
    action: Literal["train", "wait", "done"]
    round: int
    base: Annotated[
        str | None,
        Field(
            description="SHA-256 of the global weights as float32, in hex; an update repeats it. Null unless there is to be trained, as all that follows"
        ),
    ]
    deadline_at: AwareDatetime | None
    model: Annotated[str | None, Field(description="Where the global model is")]
    updates: Annotated[str | None, Field(description="Where the update goes")]
    training: FederationAssignedTraining | None


class OffloadSession(BaseModel):
    id: str
    state: Literal["waiting-for-data", "training", "succeeded", "failed", "timed-out", "cancelled"]
    topic: str
    model: Annotated[str, Field(description="In the zoo")]
    version: Annotated[int | None, Field(description="In the zoo, once it has succeeded")]
    receiver: OffloadConf
    sender: OffloadConf | None
    files: Annotated[list[OffloadFile], Field(description="What the sender has to send")]
    training_job_id: str | None
    result: Annotated[OffloadModelVersion | None, Field(description="The trained model under its service key")]
    error: TrainingFailure | None
    created_at: AwareDatetime
    deadline_at: Annotated[AwareDatetime, Field(description="How long it waits for data")]


class OffloadSessionPage(BaseModel):
    items: list[OffloadSession]
    next_cursor: str | None


class BuildEstimate(BaseModel):
    model: str
    version: int
    model_sha256: str
    board: str
    builder_id: str
    builder_digest: str
    parameters: dict[str, Any]
    memory: Memory
    performance: Performance
    operators: list[OperatorCount]
    seconds: Annotated[float, Field(description="What the estimate took")]


class Device(BaseModel):
    endpoint: str
    reachability: Literal["online", "offline"]
    address: str | None
    lwm2m_version: str | None
    lifetime: Annotated[int | None, Field(description="Seconds")]
    board: str | None
    firmware_version: Annotated[str | None, Field(description="What the device reported last")]
    artifact_sha256: Annotated[str | None, Field(description="The firmware that it was proven to run")]
    abi: Annotated[
        str | None,
        Field(
            description="`/26241/0/5`: what a model must have been built for to go with this firmware; null for a device without model slots"
        ),
    ]
    model_source: Annotated[
        Literal["built-in", "a", "b"] | None, Field(description="`/26241/0/6`: where the model that runs lies")
    ]
    model_slots: Annotated[
        list[ModelSlot],
        Field(description="Instances of `/9`, as they were read last; empty for a device without model slots"),
    ]
    model_artifact_sha256: Annotated[
        str | None,
        Field(description="The model image that it was proven to run; null while the firmware's own model runs"),
    ]
    model: Annotated[str | None, Field(description="The model that runs")]
    version: int | None
    model_sha256: str | None
    first_seen_at: AwareDatetime
    last_seen_at: AwareDatetime


class DevicePage(BaseModel):
    items: list[Device]
    next_cursor: str | None


class DriftAction(BaseModel):
    """
    What is done when an alarm is raised
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    kind: Literal["none", "training_job", "federation"] = "none"
    federation: Annotated[
        FederationRequest | None,
        Field(description="Of the kind `federation`; its clients are enrolled, and its rounds started, by hand"),
    ] = None
    training_job: Annotated[TrainingJobRequest | None, Field(description="Of the kind `training_job`")] = None
    dataset: Annotated[
        str | None,
        Field(
            description="It gets a new snapshot of this dataset as it is then, in place of `snapshot`",
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        ),
    ] = None
    cooldown_seconds: Annotated[
        int,
        Field(
            description="Nothing more is opened for so long after something was, whichever device drifts",
            ge=0,
            le=31536000,
        ),
    ] = 86400


class DriftMonitorRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
    )
    model: Annotated[
        str,
        Field(
            description="A model's name: devices that run it are watched",
            examples=["digits-cnn"],
            pattern="^[a-z0-9][a-z0-9-]{0,62}$",
        ),
    ]
    version: Annotated[int | None, Field(description="Without it the active one", ge=1, le=2147483647)] = None
    snapshot: Annotated[
        str | None,
        Field(
            description="What devices are compared with; without it the snapshot that the version was trained on",
            pattern="^[0-9a-f]{64}$",
        ),
    ] = None
    window_samples: Annotated[
        int,
        Field(
            description="Inferences of a device in a window. With fewer only large differences can be told from chance",
            ge=30,
            le=10000,
        ),
    ] = 200
    consecutive: Annotated[
        int, Field(description="Windows in a row that raise an alarm, and calm ones that clear it", ge=1, le=10)
    ] = 2
    significance: Annotated[
        float,
        Field(
            description="Probability that a statistic of one window is above its threshold although nothing drifts",
            ge=1e-06,
            le=0.05,
        ),
    ] = 0.001
    psi_limit: Annotated[
        float,
        Field(
            description="Of `classes`. The threshold is this, or what chance explains where that is more",
            ge=0.01,
            le=10.0,
        ),
    ] = 0.25
    distance_limit: Annotated[float, Field(description="Of every other statistic, likewise", ge=0.01, le=1.0)] = 0.2
    statistics: Annotated[
        list[Literal["classes", "confidence", "output", "input_mean", "input_deviation"]] | None,
        Field(
            description="Only these. Leave `classes` out where a device need not see all of them alike",
            max_length=5,
            min_length=1,
        ),
    ] = None
    action: Annotated[DriftAction | None, Field(description="Without it none")] = None


class DriftMonitor(BaseModel):
    id: str
    state: Annotated[
        Literal["preparing", "watching", "failed"],
        Field(description="`failed`: there is no reference; `error` says why"),
    ]
    model: str
    version: int
    model_sha256: str
    snapshot_sha256: str
    job_id: Annotated[
        str | None, Field(description="The training job that makes the reference; null when there was one")
    ]
    error: TrainingFailure | None
    window_samples: int
    consecutive: int
    significance: float
    psi_limit: float
    distance_limit: float
    statistics: list[Literal["classes", "confidence", "output", "input_mean", "input_deviation"]] | None
    action: DriftAction
    reference: DriftReference | None
    devices: Annotated[int, Field(description="That have told of inferences")]
    open_alarms: int
    created_at: AwareDatetime


class DriftMonitorPage(BaseModel):
    items: list[DriftMonitor]
    next_cursor: str | None


class Builder(BaseModel):
    id: str
    name: str
    version: str
    maintainer: str
    description: str
    image: Annotated[str, Field(description="The reference that was registered")]
    digest: Annotated[str, Field(description="What every build runs")]
    engine: Literal["docker", "local"]
    boards: list[BuilderBoard]
    model_formats: list[str]
    parameters: Annotated[dict[str, Any], Field(description="JSON Schema of a build's parameters")]
    estimates: Annotated[bool, Field(description="Whether it says what a build would give")]
    check: Annotated[BuilderCheck | None, Field(description="The last check against the contract")]
    created_at: AwareDatetime


class BuilderPage(BaseModel):
    items: list[Builder]
    next_cursor: str | None


class ModelVersion(BaseModel):
    model: str
    version: int
    sha256: str
    size: Annotated[int, Field(description="Bytes")]
    active: bool
    golden_vectors: Annotated[int, Field(description="How many the oracle computed")]
    report: ModelReport
    card: dict[str, Any] | None
    formats: Annotated[list[ModelFormat], Field(description="Other forms of the same model")]
    metric: Annotated[EvaluationMetric | None, Field(description="The one figure of its evaluation")]
    lineage: Annotated[Lineage | None, Field(description="What it was made from; null for an upload")]
    created_at: AwareDatetime


class ModelVersionPage(BaseModel):
    items: list[ModelVersion]
    next_cursor: str | None
