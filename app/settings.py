"""Every environment variable of the server, typed; each is `TINYMLAAS_` and the field's name."""

import socket
from pathlib import Path

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What can be configured, with defaults that need nothing installed beside Docker and QEMU."""

    model_config = SettingsConfigDict(env_prefix="TINYMLAAS_", extra="ignore", env_parse_none_str="none")

    data_dir: Path = Field(default=Path("data"), validate_default=True, description="Database, blobs, logs and keys")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    lwm2m_host: str = "127.0.0.1"
    lwm2m_port: int = Field(default=5683, ge=0, le=65535)
    lwm2m_dtls_port: int | None = Field(default=5684, ge=0, le=65535, description="DTLS, or `none`")
    lwm2m_tcp_port: int | None = Field(default=None, ge=0, le=65535, description="CoAP over TCP, or `none`")
    lwm2m_bridge: str = Field(
        default="embedded",
        validation_alias=AliasChoices("lwm2m_bridge", "TINYMLAAS_LWM2M_BRIDGE", "LWM2M_BRIDGE"),
        description="`embedded`, or the address of a Leshan server's REST API",
    )
    lwm2m_models: Path | None = Field(default=None, description="Folder of OMA object XML files, beside those known")
    leshan_security: bool = Field(
        default=False, description="Serve Leshan's /api/security, which shows devices' keys to whoever asks"
    )
    lwm2m_public_host: str | None = Field(default=None, description="How devices reach the LwM2M server")
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    max_model_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    max_dataset_samples: int = Field(default=200_000, ge=1)
    retention_seconds: int = Field(default=3600, ge=1, description="How often old samples are looked for")
    golden_vectors: int = Field(default=8, ge=1, le=16)
    build_workers: int = Field(default=2, ge=1, le=64)
    update_workers: int = Field(default=16, ge=1, le=1024)
    training_workers: int = Field(default=1, ge=1, le=64, description="Trainings at a time; each takes one processor")
    training_seconds: int = Field(default=3600, ge=1, description="How long one attempt of a training may take")
    training_memory_bytes: int = Field(default=2 * 1024**3, ge=64 * 1024**2, description="Beside TensorFlow itself")
    build_seconds: int = Field(default=600, ge=1)
    build_memory_bytes: int = Field(default=2 * 1024**3, ge=64 * 1024**2)
    build_output_bytes: int = Field(default=64 * 1024**2, ge=1024)
    build_pids: int = Field(default=256, ge=8)
    build_cpus: float = Field(default=2.0, gt=0)
    estimate_workers: int = Field(default=2, ge=1, le=64, description="Estimates at the same time")
    estimate_seconds: int = Field(default=30, ge=1)
    measure_builds: bool = Field(default=True, description="Count the instructions of builds for emulated boards")
    measure_seconds: int = Field(default=30, ge=1, description="What a golden run in the emulator may take")
    update_seconds: int = Field(default=300, ge=1, description="Deadline of each state of an update")
    executor_id: str = Field(default_factory=socket.gethostname, description="This process's slot among the workers")
    shutdown_seconds: int = Field(default=5, ge=0, description="How long requests and jobs may take to end at shutdown")
    log_json: bool = False

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        # Workers run in folders of their own and are given files by their paths.
        return folder.absolute()

    @property
    def database_url(self) -> str:
        """The server's own tables."""
        return f"sqlite:///{self.data_dir / 'tinymlaas.sqlite3'}"

    @property
    def jobs_database_url(self) -> str:
        """The job engine's tables."""
        return f"sqlite:///{self.data_dir / 'jobs.sqlite3'}"
