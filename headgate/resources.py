"""What a task is given, and what a user asks for."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from headgate.value import Value


@dataclass(frozen=True, slots=True, order=True)
class Resources:
    """A vector of what a task holds or an instance offers; arithmetic is element by element.

    `vcpu` in Batch's vCPUs, `memory_mib` in MiB of host memory, `gpus` in whole GPUs.
    """

    vcpu: float = 0.0
    memory_mib: int = 0
    gpus: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            round(self.vcpu + other.vcpu, 6),
            self.memory_mib + other.memory_mib,
            self.gpus + other.gpus,
        )

    def __sub__(self, other: Resources) -> Resources:
        return self + other * -1

    def __mul__(self, times: int) -> Resources:
        return Resources(round(self.vcpu * times, 6), self.memory_mib * times, self.gpus * times)

    def fits(self, capacity: Resources) -> bool:
        """Whether this fits into `capacity` (equal fits)."""
        return (
            self.vcpu <= capacity.vcpu
            and self.memory_mib <= capacity.memory_mib
            and self.gpus <= capacity.gpus
        )

    def times_into(self, capacity: Resources, most: int) -> int:
        """How many of this fit into `capacity` side by side, `most` at the most."""
        pairs = (
            (capacity.vcpu, self.vcpu),
            (capacity.memory_mib, self.memory_mib),
            (capacity.gpus, self.gpus),
        )
        room = [int(have / need + 1e-9) for have, need in pairs if need > 0]
        return max(0, min([most, *room]))

    def largest(self, other: Resources) -> Resources:
        """The element-wise maximum."""
        return Resources(
            max(self.vcpu, other.vcpu),
            max(self.memory_mib, other.memory_mib),
            max(self.gpus, other.gpus),
        )

    def dominant_share(self, total: Resources) -> float:
        """The largest fraction of `total` taken of any one resource (DRF, Ghodsi et al. 2011)."""
        pairs = (
            (self.vcpu, total.vcpu),
            (self.memory_mib, total.memory_mib),
            (self.gpus, total.gpus),
        )
        return max((mine / all_ for mine, all_ in pairs if all_ > 0), default=0.0)


class ResourceRequest(Value):
    """What a user asks for; every part optional, since Headgate predicts what is left out.

    A request is where a family nobody has seen starts from. With `ceiling`, it is also a limit
    that the estimate never passes.
    """

    vcpu: float | None = Field(default=None, gt=0, le=4096, allow_inf_nan=False)
    memory_mib: int | None = Field(default=None, gt=0, le=2**26, description="host memory in MiB")
    gpus: int | None = Field(default=None, ge=0, le=64)
    gpu_memory_mib: int | None = Field(
        default=None, gt=0, le=2**22, description="memory of one GPU in MiB"
    )
    gpu_model: str | None = Field(
        default=None, max_length=64, description="for example T4, A10G, A100, H100"
    )
    arch: str | None = Field(default=None, pattern="^(x86_64|arm64)$")
    ceiling: bool = False
