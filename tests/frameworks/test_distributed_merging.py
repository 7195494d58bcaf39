"""States and counts that several members of a group hold, merged; here each is a thread."""

from __future__ import annotations

from typing import Any

import pytest

import softtargets as st
from softtargets import distributed
from tests.backends import assert_close, assert_same_bits
from tests.frameworks import distributed_cases as shared
from tests.frameworks.distributed_cases import LABELS, X
from tests.frameworks.threads import ThreadGroup, results


def test_states_of_several() -> None:
    """Merged over a group, states are those of all classes, and serve every measure."""
    whole = st.SoftmaxState.of(X, LABELS, label_smoothing=0.1)

    def work(group: ThreadGroup) -> Any:
        x, first = shared.block(X, (2, 5, 1), group.rank, 1), [0, 2, 7][group.rank]
        state = st.SoftmaxState.of(x, LABELS, first_class=first, num_classes=8, label_smoothing=0.1)
        return distributed.merge(state, group)

    for state in results(3, work):
        assert_close(state.loss(), whole.loss(), ulps=16)
        for measure in ("logsumexp", "entropy", "mean_logit", "variance"):
            assert_close(getattr(state, measure)(), getattr(whole, measure)(), ulps=32, scale=4.0)


@pytest.mark.parametrize("scope", ["top", "classwise"])
def test_counts_of_several(scope: Any) -> None:
    """Merged over a group, counters are those of all rows, bit for bit, also where a member has
    counted nothing.
    """
    sizes, words = (4, 0, 2), {"from_logits": True, "num_bins": 5}
    bins = st.calibration.CalibrationBins(**words, scope=scope)
    summary = st.calibration.CalibrationSummary(**words)
    for part in (bins, summary):
        part.update(X, LABELS)

    def work(group: ThreadGroup) -> Any:
        own = (
            st.calibration.CalibrationBins(**words, scope=scope),
            st.calibration.CalibrationSummary(**words),
        )
        empty = [distributed.merge(part, group) for part in own]
        assert empty[0].state_dict() == {}
        assert empty[1].proper == ()
        if sizes[group.rank]:
            rows = [shared.block(a, sizes, group.rank) for a in (X, LABELS)]
            for part in own:
                part.update(*rows)
        return [distributed.merge(part, group) for part in own]

    for some, sums in results(3, work):
        for name, array in bins.state_dict().items():
            assert_same_bits(some.state_dict()[name], array)
        for name, array in summary.bins.state_dict().items():
            assert_same_bits(sums.bins.state_dict()[name], array)
        for one, other in zip(sums.proper, summary.proper, strict=True):
            assert_close(one, other, ulps=8)
