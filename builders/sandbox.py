"""The settings of a build's containers and volumes: what a stranger's program may do on the engine, in one place.

Every setting was tried against a program that attempts the opposite (tests/integration/builders/test_sandbox.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker.types import LogConfig, Mount, Ulimit

from builders.runner import MEBIBYTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builders.runner import Limits

LABEL_SERVER = "tinymlaas.server"
LABEL_JOB = "tinymlaas.job"
LABEL_ROLE = "tinymlaas.role"
LABEL_INPUT = "tinymlaas.input"

USER = "65532:65532"
_UID = 65532
_PAGE = 4096
# Room beyond the limit, so that a builder which writes too much is seen to have done so and not merely to be full.
_SLACK_BYTES = 65_536
_SLACK_FILES = 8


@dataclass(frozen=True)
class Labels:
    """Whose build a container or volume belongs to: how leftovers are found."""

    server: str
    job: str
    input_digest: str

    def of(self, role: str) -> dict[str, str]:
        """The labels of the container or volume with this role."""
        return {
            LABEL_SERVER: self.server,
            LABEL_JOB: self.job,
            LABEL_INPUT: self.input_digest,
            LABEL_ROLE: role,
        }


def output_capacity(limits: Limits) -> int:
    """The size of the /out volume: a page for every file, as each wastes up to one, and some more."""
    return limits.output_bytes + _PAGE * (limits.output_files + _SLACK_FILES) + _SLACK_BYTES


def input_capacity(files: Mapping[str, bytes]) -> int:
    """The size of the /in volume."""
    return sum(len(content) + _PAGE for content in files.values()) + _SLACK_BYTES


def volume_options(labels: dict[str, str], *, size: int, files: int, mode: str) -> dict[str, Any]:
    """A volume in memory that the kernel bounds in bytes and in files."""
    return {
        "driver": "local",
        "driver_opts": {
            "type": "tmpfs",
            "device": "tmpfs",
            "o": f"size={size},nr_inodes={files + _SLACK_FILES},mode={mode},nosuid,nodev,noexec",
        },
        "labels": labels,
    }


def _confined(labels: dict[str, str], *, memory_bytes: int, pids: int) -> dict[str, Any]:
    """What holds for the builder and the keeper alike."""
    return {
        "labels": labels,
        "user": USER,
        "network_mode": "none",
        "privileged": False,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],  # and Docker's own seccomp profile, by not naming another
        "ipc_mode": "private",
        "pids_limit": pids,
        "mem_limit": memory_bytes,
        "memswap_limit": memory_bytes,  # equal to the memory: no swap
        "restart_policy": {"Name": "no"},
        "auto_remove": False,
        "use_config_proxy": False,  # a proxy's address is none of a builder's business
        # An image's HEALTHCHECK would run beside the build.
        "healthcheck": {"test": ["NONE"]},
    }


def keeper_options(image: str, labels: Labels, *, in_volume: str, out_volume: str) -> dict[str, Any]:
    """Arguments of `containers.create` for the container that holds /in and /out."""
    return {
        **_confined(labels.of("keeper"), memory_bytes=32 * MEBIBYTE, pids=8),
        "image": image,
        "log_config": LogConfig(type="none"),
        "mounts": [
            Mount("/in", in_volume, type="volume", no_copy=True),
            Mount("/out", out_volume, type="volume", no_copy=True),
        ],
    }


def builder_options(
    image_id: str,
    labels: Labels,
    *,
    entrypoint: list[str],
    limits: Limits,
    engine_cpus: int,
    source_date_epoch: int,
    in_volume: str,
    out_volume: str,
) -> dict[str, Any]:
    """Arguments of `containers.create` for a partner's image, whose USER, CMD, HEALTHCHECK, STOPSIGNAL do not count."""
    return {
        **_confined(labels.of("builder"), memory_bytes=limits.memory_bytes, pids=limits.pids),
        "image": image_id,
        # Naming the image's own entry point drops its CMD: the full form has no argument.
        "entrypoint": entrypoint,
        "hostname": "builder",
        "working_dir": "/work",
        "environment": {"SOURCE_DATE_EPOCH": str(source_date_epoch), "HOME": "/work"},
        "stop_signal": "SIGTERM",
        "init": True,  # hands signals on and buries orphans, which a builder as process 1 would not
        # An engine refuses more processors than it has.
        "nano_cpus": int(min(limits.cpus, engine_cpus) * 1_000_000_000),
        "oom_score_adj": 500,
        "shm_size": 64 * MEBIBYTE,
        "tmpfs": {
            "/tmp": "rw,nosuid,nodev,noexec,size=256m,mode=1777",  # noqa: S108 - inside the container
            # The working directory would be root's without uid and gid.
            "/work": f"rw,nosuid,nodev,exec,size=1g,uid={_UID},gid={_UID},mode=0700",
        },
        "mounts": [
            Mount("/in", in_volume, type="volume", read_only=True, no_copy=True),
            Mount("/out", out_volume, type="volume", no_copy=True),
        ],
        "ulimits": [
            Ulimit(name="nofile", soft=1024, hard=1024),
            Ulimit(name="core", soft=0, hard=0),
            # Also stops a sparse file that claims more than the volume holds.
            Ulimit(name="fsize", soft=output_capacity(limits), hard=output_capacity(limits)),
        ],
        # Two files: the driver refuses to start with one unless compression is off.
        "log_config": LogConfig(type="local", config={"max-size": "10m", "max-file": "2"}),
    }
