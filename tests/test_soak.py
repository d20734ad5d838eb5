"""The fault test in its short form: every fault is done, and every promise is kept. No time is asserted.

It takes longer than other tests because it starts the service's real processes and kills them.
"""

from bench.soak.faults import Fault
from bench.soak.run import Options, soak

SHORT = Options(
    seed=1,
    kills=4,
    gap_seconds=0.3,
    senders=3,
    packages_a_second=6,
    workers=2,
    disk_bytes=512 * 1024 * 1024,
    hold_seconds=1,
)


async def test_what_was_acknowledged_survives_every_fault() -> None:
    figures = await soak(SHORT)
    assert figures["wrongs"] == []
    # Mounting a disk that can be filled takes root; everything else is done everywhere.
    assert set(figures["skipped"]) <= {Fault.FILL_DISK}, figures["skipped"]
    done = {fault for fault, number in figures["faults"].items() if number}
    assert done == set(Fault) - set(figures["skipped"])
    counts = figures["counts"]
    assert counts["packages sent again"] > 0
    assert counts["records read back"] == counts["transcripts accepted"] > 0
    assert counts.get("recalls approved", 0) + counts.get("recalls declined", 0) > 0
    assert counts["snapshots"] == counts["snapshots taken stock of"] == 3
    assert 0 < counts["records taken stock of"] <= counts["records read back"]
