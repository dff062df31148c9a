import numpy as np
import pytest
from tidemill.v1 import reference_pb2 as pb
from tidemill_stats.encoding import Encoding
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multivariate import fit_kernel
from tidemill_stats.outliers import fit_outliers
from tidemill_stats.pca import fit_pca
from tidemill_stats.reference_proto import (
    encoding_from_proto,
    encoding_to_proto,
    kernel_from_proto,
    kernel_to_proto,
    outliers_from_proto,
    outliers_to_proto,
    pca_from_proto,
    pca_to_proto,
)

RNG = np.random.default_rng(0)
COLUMNS = {
    "x": RNG.normal(size=500),
    "y": RNG.exponential(size=500),
    "c": RNG.choice(["a", "b"], 500).astype(object),
    "empty": np.full(500, "", dtype=object),
}
ENCODING = Encoding.fit(COLUMNS)
MATRIX = ENCODING.encode(COLUMNS)
KERNEL = fit_kernel(MATRIX, ENCODING, seed=1)
PCA = fit_pca(MATRIX, ENCODING, seed=1)
OUTLIERS = fit_outliers(MATRIX, ENCODING, seed=1)


def carried(message):
    return type(message).FromString(message.SerializeToString())


def test_an_encoding_is_carried_whole():
    messages = [carried(message) for message in encoding_to_proto(ENCODING)]
    assert encoding_from_proto(messages) == ENCODING


def test_a_carried_kernel_gives_the_same_bits():
    again = kernel_from_proto(carried(kernel_to_proto(KERNEL)))
    assert again.sums(MATRIX) == KERNEL.sums(MATRIX)
    assert np.array_equal(again.mean, KERNEL.mean)
    assert np.array_equal(again.weights, KERNEL.weights)
    assert (again.rows, again.encoding) == (KERNEL.rows, ENCODING)


def test_carried_components_give_the_same_bits():
    again = pca_from_proto(carried(pca_to_proto(PCA)))
    assert np.array_equal(again.errors(MATRIX), PCA.errors(MATRIX))
    assert (again.error, again.skewness, again.encoding) == (PCA.error, PCA.skewness, ENCODING)


def test_carried_trees_give_the_same_bits():
    again = outliers_from_proto(carried(outliers_to_proto(OUTLIERS)))
    assert np.array_equal(again.forest.score(MATRIX), OUTLIERS.forest.score(MATRIX))
    assert (again.threshold, again.rows, again.outliers) == (OUTLIERS.threshold, OUTLIERS.rows, OUTLIERS.outliers)


def test_messages_that_contradict_themselves_are_refused():
    kernel, pca, outliers = kernel_to_proto(KERNEL), pca_to_proto(PCA), outliers_to_proto(OUTLIERS)
    del kernel.frequencies[0]
    del pca.components[0]
    del outliers.masses[0]
    for read, message in ((kernel_from_proto, kernel), (pca_from_proto, pca), (outliers_from_proto, outliers)):
        with pytest.raises(InvalidInput):
            read(message)
        with pytest.raises(InvalidInput):
            read(type(message)())
    with pytest.raises(InvalidInput):
        outliers_from_proto(pb.OutlierReference(depth=40))
