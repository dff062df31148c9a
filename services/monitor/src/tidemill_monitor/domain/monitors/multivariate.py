"""Has the joint distribution of the inputs moved, by a kernel and by what principal components miss?"""

from tidemill_stats.evidence import Evidence
from tidemill_stats.multivariate import KernelSums, kernel_shift
from tidemill_stats.pca import pca_shift

from tidemill_monitor.domain.context import MIN_ROWS, Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.correction import over_scales

SUBJECT = "all inputs"


def multivariate_drift(context: Context) -> list[Exhibit]:
    """Both tests of all inputs together."""
    return over_scales(context, lambda scale: [*_kernel(context, scale), *_reconstruction(context, scale)])


def _kernel(context: Context, scale: int) -> list[Exhibit]:
    merged = context.merged(scale)
    reference = context.reference.kernel if context.reference is not None else None
    inputs = merged.total.inputs
    if reference is None or merged.embedding is None or inputs is None or inputs.rows < MIN_ROWS:
        return []
    sums = KernelSums(inputs.rows, merged.embedding)
    result = kernel_shift(reference, sums, design_effect=context.effects(scale).of("kernel"))
    explanation = (
        f"{inputs.rows} rows lie {result.effect:.3f} from the {reference.rows} training rows in the kernel's space"
    )
    return [Exhibit(Evidence(SUBJECT, "kernel", result.statistic, result.p_value, result.effect, scale, explanation))]


def _reconstruction(context: Context, scale: int) -> list[Exhibit]:
    now = context.merged(scale).reconstruction
    reference = context.reference.pca if context.reference is not None else None
    if reference is None or now.count < MIN_ROWS:
        return []
    result = pca_shift(reference, now, design_effect=context.effects(scale).of("pca"))
    where = "further from" if result.effect > 0 else "nearer to"
    explanation = (
        f"rows lie {abs(result.effect):.2f} standard deviations {where} the structure of the training rows, "
        f"error {reference.error.mean:.4g} → {now.mean:.4g}"
    )
    evidence = Evidence(
        SUBJECT, "reconstruction", result.statistic, result.p_value, abs(result.effect), scale, explanation
    )
    return [Exhibit(evidence)]
