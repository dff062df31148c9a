import json

CODE = """
import logging
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from tidemill_runtime import logs

logs.configure("example", "info")
log = logs.get_logger("example.module")
log.debug("too quiet")
log.info("outside", rows=3)
with use_span(NonRecordingSpan(SpanContext(0xabc, 0xdef, True, TraceFlags(1)))):
    log.info("inside", path=__import__("pathlib").Path("/tmp"))
logging.getLogger("library").warning("%d left", 2)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""


def test_a_log_line_is_a_json_object_with_service_level_and_trace(launch):
    printed, logged = launch(CODE).communicate(timeout=30)

    outside, inside, library, failed = (json.loads(line) for line in logged.splitlines())
    assert printed == ""
    assert (outside["message"], outside["rows"], outside["level"]) == ("outside", 3, "info")
    assert (outside["service"], outside["logger"]) == ("example", "example.module")
    assert outside["timestamp"].endswith("Z")
    assert "trace_id" not in outside
    assert (inside["trace_id"], inside["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert inside["path"] == "/tmp"
    assert (library["message"], library["level"], library["logger"]) == ("2 left", "warning", "library")
    assert "ZeroDivisionError" in failed["exception"]
