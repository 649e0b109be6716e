"""LangChain's ChatOpenAI: langchain_openai_chat.py http://127.0.0.1:8080"""

from check import BASE_URL, MODEL, WEATHER, WEATHER_QUESTION, check, run, same, tells_the_weather
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

chat = ChatOpenAI(model=MODEL, base_url=BASE_URL, api_key="none", temperature=0, max_retries=0, timeout=60)


@tool
def get_weather(city: str) -> str:
    """Get the current weather for a city"""
    return WEATHER[city]


@check
def invoke():
    """an answer with its usage"""
    answer = chat.invoke("What is the capital of France?")
    assert "The capital of France is Paris." in answer.content
    assert answer.usage_metadata["output_tokens"] > 0
    same(answer.response_metadata["finish_reason"], "stop")


@check
def stream():
    """a stream that adds up to the answer"""
    parts = list(chat.stream("What is the capital of France?"))
    assert "The capital of France is Paris." in "".join(part.content for part in parts)
    assert len(parts) > 3


@check
def tools():
    """two calls, two results, one answer, with the second half streamed"""
    bound = chat.bind_tools([get_weather])
    messages = [HumanMessage(WEATHER_QUESTION)]
    first = bound.invoke(messages)
    same([call["args"] for call in first.tool_calls], [{"city": "Oslo"}, {"city": "Madrid"}])
    messages.append(first)
    for call in first.tool_calls:
        messages.append(ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]))
    tells_the_weather("".join(part.content for part in bound.stream(messages)))


@check
def streamed_calls():
    """calls whose parts come as a stream"""
    whole = None
    for part in chat.bind_tools([get_weather]).stream(WEATHER_QUESTION):
        whole = part if whole is None else whole + part
    same([call["args"] for call in whole.tool_calls], [{"city": "Oslo"}, {"city": "Madrid"}])


class Report(BaseModel):
    """A weather report"""

    city: str = Field(max_length=20)
    degrees: int = Field(ge=-50, le=50)


@check
def structured():
    """structured output by schema and by a forced call"""
    for method in ("json_schema", "function_calling"):
        report = chat.with_structured_output(Report, method=method).invoke("How warm is Oslo?")
        assert isinstance(report, Report), method


@check
def forced():
    """a tool that must be called"""
    bound = chat.bind_tools([get_weather], tool_choice="any", strict=True)
    assert bound.invoke("Tell me a story.").tool_calls[0]["name"] == "get_weather"


run()
