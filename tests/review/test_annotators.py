"""Many annotators at once, and the service killed under them: the short form of the benchmark."""

from benchmarks.review.annotators import measure


def test_no_verdict_is_lost_or_doubled_when_the_service_is_killed() -> None:
    found = measure(annotators=12, seconds=4, pace=0.2, kill=1.5, pairs=60)
    assert found["verdicts"] > 60
    assert {name: found[name] for name in ("lost", "doubled", "changed", "too many")} == {
        "lost": 0,
        "doubled": 0,
        "changed": 0,
        "too many": 0,
    }
