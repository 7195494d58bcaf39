"""What to take from the studies: sentences by hand, every measured number from the files."""

from collections.abc import Mapping

from softtargets.demo import data
from softtargets.demo.tables import Difference
from studies import accuracy, converged, distillation, penalty
from studies.findings import text_of
from studies.measures import smoothed
from studies.results import Results
from studies.sweep import named


def percent(results: Results, condition: str, measure: str) -> str:
    """Return the mean of a fraction in percent."""
    return f"{100 * results.mean(condition, measure):.1f} %"


def number(results: Results, condition: str, measure: str, digits: int) -> str:
    """Return a mean."""
    return f"{results.mean(condition, measure):.{digits}f}"


def points(found: Difference) -> str:
    """Return a change of a fraction, with its standard error."""
    return text_of(found, 1, 100, "points")


def lines(found: Mapping[str, Results]) -> list[str]:
    """Return the page, once all studies were run."""
    parts = (when_to_smooth, how_much, what_to_check)
    return [line for part in parts for line in (*part(found), "")][:-1]


def when_to_smooth(found: Mapping[str, Results]) -> list[str]:
    """Return for what smoothing is worth it, and for what not."""
    of, temperature, taught = found["accuracy"], found["temperature"], found["distillation"]

    def accurate(noise: float, e: float) -> str:
        pair = (named(noise, e), named(noise, 0.0))
        return points(of.difference("accuracy", *pair))

    def more(noise: float, first: str, second: str) -> str:
        pair = (accuracy.wide(noise, name) for name in (first, second))
        return points(of.difference("accuracy", *pair))

    def pupils(t: float) -> str:
        pair = (distillation.student(e, t) for e in (0.1, 0.0))
        return points(taught.difference("accuracy", *pair))

    unseen = [percent(taught, distillation.heir(e, 4.0), "recall") for e in (0.0, 0.1)]
    return [
        "### When to smooth",
        "",
        f"- **For accuracy, where a held-out set agrees.** With right labels e = 0.1 changed it by "
        f"{accurate(0.0, 0.1)} ({data.TRAIN} images). With wrong labels it depends on how much "
        f"there is to learn from: with 1000 images and 20 % of the labels wrong, e = 0.6 brought "
        f"{more(0.2, smoothed(0.6), smoothed(0))}; with {data.TRAIN} images and 40 % wrong, "
        f"e = 0.1 brought {accurate(0.4, 0.1)}. ([accuracy](accuracy.md))",
        f"- **Where the noise is known and large, correct for it instead.** Forward correction "
        f"differed from e = 0.6 by {more(0.4, 'forward', smoothed(0.6))} with 40 % of the labels "
        f"wrong, by {more(0.2, 'forward', smoothed(0.6))} with 20 %. ([accuracy](accuracy.md))",
        f"- **Not for calibration alone.** With right labels the ECE was "
        f"{percent(of, named(0.0, 0.0), 'ece')} without and {percent(of, named(0.0, 0.1), 'ece')} "
        f"with e = 0.1; one temperature without smoothing makes it "
        f"{percent(temperature, named(0.0, 0.0), 'scaled ece')}. Smoothing lowered it where the "
        f"model was far too sure, with 40 % of the labels wrong, from "
        f"{percent(of, named(0.4, 0.0), 'ece')} to {percent(of, named(0.4, 0.1), 'ece')}, and "
        f"a temperature came to {percent(temperature, named(0.4, 0.0), 'scaled ece')}. "
        f"([temperature](temperature.md))",
        f"- **Not for a teacher whose students learn at a temperature above 1.** Their accuracy "
        f"differed from that of students of a teacher without smoothing by {pupils(4.0)} at T = 4, "
        f"by {pupils(1.0)} at T = 1. Of a digit that they had never seen they recognised "
        f"{unseen[1]} instead of {unseen[0]} at T = 4. ([teachers](distillation.md))",
    ]


def how_much(found: Mapping[str, Results]) -> list[str]:
    """Return which amounts are worth trying."""
    of, large, penalties = found["accuracy"], found["large"], found["penalty"]

    def accurate(e: float) -> str:
        return points(of.difference("accuracy", named(0.0, e), named(0.0, 0.0)))

    def kept(kind: str, e: float) -> str:
        pair = (f"{kind}, {smoothed(e)}", f"{kind}, {smoothed(0.0)}")
        return points(large.difference("accuracy", *pair))

    wide = [accuracy.wide(0.2, smoothed(e)) for e in (0.6, 0.3)]
    beyond = points(of.difference("accuracy", *wide))
    pair = (penalty.penalised(penalty.MATCHED), smoothed(penalty.USUAL))
    behind = points(penalties.difference("accuracy", *pair))
    errors = [percent(of, named(0.0, e), "ece") for e in (0.05, 0.2, 0.4)]
    return [
        "### How much",
        "",
        f"- **Begin with 0.05 to 0.1.** With right labels e = 0.05 brought {accurate(0.05)} of "
        f"accuracy, 0.1 {accurate(0.1)}, 0.2 {accurate(0.2)} and 0.4 {accurate(0.4)}. What is paid "
        f"in calibration, until a temperature is fitted, grows all the way: ECE {errors[0]} at "
        f"0.05, {errors[1]} at 0.2, {errors[2]} at 0.4. ([accuracy](accuracy.md))",
        f"- **Large amounts need more steps.** In the same number of steps e = 0.8 changed the "
        f"accuracy by {kept('SGD', 0.8)} with SGD and by {kept('Adam', 0.8)} with Adam; e = 0.95 "
        f"with Adam by {kept('Adam', 0.95)}. ([large smoothing](large.md))",
        f"- **The rate of the noise is not the best amount.** With 20 % wrong and 1000 images, "
        f"e = 0.6 differed by {beyond} from e = 0.3, and 0.22 is what stands for this noise. "
        f"([accuracy](accuracy.md), [noise](noise.md))",
        f'- **Say which convention.** With `spread="others"` and ten classes 0.9 is the end: '
        f"{percent(large, f'others, {smoothed(0.89)}', 'accuracy')} correct at 0.89, "
        f"{percent(large, f'others, {smoothed(0.95)}', 'accuracy')} at 0.95. "
        f"([large smoothing](large.md))",
        f"- **A confidence penalty is another thing, even with the same optimal gap.** Accuracy "
        f"differed by {behind} from e = {penalty.USUAL:g}. ([penalty](penalty.md))",
    ]


def what_to_check(found: Mapping[str, Results]) -> list[str]:
    """Return what to look at after training with smoothing."""
    of, temperature, floor, gap = (
        found[name] for name in ("accuracy", "temperature", "floor", "gap")
    )
    taught, clusters = found["distillation"], found["clusters"]
    smooth = named(0.0, 0.1)

    def surprise(noise: float) -> str:
        pair = (named(noise, 0.1), named(noise, 0.0))
        return text_of(temperature.difference("scaled nll", *pair), 3, 1, "nats")

    last = gap.measures(smoothed(0.1), "gap after ")[-1]
    index = [number(taught, f"teacher {smoothed(e)}", "erasure", 3) for e in (0.0, 0.1)]
    end = f"test {converged.LOOKS[-1]}"
    nc1, cosine = (
        [number(clusters, smoothed(e), f"{end} {name}", 3) for e in (0.0, 0.1)]
        for name in ("nc1", "cosine")
    )
    return [
        "### What to check afterwards",
        "",
        f"- **Confidence beside accuracy.** A model with e = 0.1 was "
        f"{percent(of, smooth, 'confidence')} sure and {percent(of, smooth, 'accuracy')} right. "
        f"Its probabilities say little before the next step. ([accuracy](accuracy.md))",
        f"- **One temperature, fitted to right labels that were not trained on.** It was "
        f"{number(temperature, smooth, 'temperature', 2)} for e = 0.1 and made the ECE "
        f"{percent(temperature, smooth, 'scaled ece')}, where a calibrated model shows "
        f"{percent(temperature, smooth, 'scaled floor')}. ([temperature](temperature.md))",
        f"- **Then the negative log-likelihood, against no smoothing with a temperature of its "
        f"own**: {surprise(0.0)} with right labels, {surprise(0.2)} with 20 % and {surprise(0.4)} "
        f"with 40 % wrong. Only the first of these speaks for smoothing. "
        f"([temperature](temperature.md))",
        f"- **The excess of the loss, not the loss.** With e = 0.1 training ended at "
        f"{number(floor, smoothed(0.1), 'loss', 4)} nats, and the least possible is "
        f"{number(floor, smoothed(0.1), 'minimum', 4)}; the mean logit gap was "
        f"{number(gap, smoothed(0.1), last, 3)}. ([floor](floor.md), [gap](gap.md))",
        f"- **The erasure index, if anybody needs what the model knows of the other classes**: "
        f"{index[0]} without, {index[1]} with e = 0.1. ([teachers](distillation.md))",
        f"- **The name of the measure, if clusters are called tighter.** On test images NC1 went "
        f"from {nc1[0]} to {nc1[1]}, and the cosine distance within classes from {cosine[0]} to "
        f"{cosine[1]}: tighter, and looser. ([clusters](clusters.md))",
    ]
