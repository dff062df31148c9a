"""Torch modules as ONNX graphs; torch is imported only here and by training code that uses it."""

import io
import warnings
from typing import Any

import onnx


def torch_graph(module: Any, width: int, opset: int, classes: int | None) -> onnx.ModelProto:
    """The graph of a module from float32 [n, width] to logits [n, classes], with the softmax added, or to [n, 1].

    Uses the exporter that traces: the one that compiles takes eight seconds for a small network and writes source
    paths into the graph.
    """
    import torch

    network = module if classes is None else torch.nn.Sequential(module, torch.nn.Softmax(dim=1))
    output = "prediction" if classes is None else "probabilities"
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, width),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=opset,
            input_names=["encoded"],
            output_names=[output],
            dynamic_axes={"encoded": {0: "n"}, output: {0: "n"}},
        )
    return onnx.load_from_string(buffer.getvalue())
