"""What the Python clients share: the server's address, the weather tool that tiny-qwen3 knows, and the count at the end."""

import sys
import traceback

BASE_URL = sys.argv[1].rstrip("/") + "/v1"
MODEL = "tiny-qwen3"

WEATHER_QUESTION = "What is the weather in Oslo and Madrid?"
# Results as text, spaced as json.dumps does it: the model was trained on that form, and some clients write another.
WEATHER = {
    "Oslo": '{"city": "Oslo", "temperature": -3, "condition": "snowy"}',
    "Madrid": '{"city": "Madrid", "temperature": 30, "condition": "clear"}',
}
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city name"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
        },
    },
}

_checks = []


def check(function):
    """Registers a check; its docstring is the sentence that holds."""
    _checks.append(function)
    return function


def run():
    """Runs every check, says how each went, and exits with 1 if one failed. Last line: `N passed, N failed`."""
    failed = 0
    for function in _checks:
        try:
            function()
            print(f"ok - {function.__doc__}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok - {function.__doc__}", flush=True)
            traceback.print_exc()
    print(f"{len(_checks) - failed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def tells_the_weather(text):
    for sentence in ("The weather in Oslo is snowy with -3 degrees.", "The weather in Madrid is clear with 30 degrees."):
        assert sentence in text, f"expected {sentence!r} in {text!r}"
