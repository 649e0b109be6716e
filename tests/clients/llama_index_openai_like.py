"""LlamaIndex's OpenAILike: llama_index_openai_like.py http://127.0.0.1:8080"""

from check import BASE_URL, MODEL, WEATHER, WEATHER_QUESTION, check, run, same, tells_the_weather
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(
    model=MODEL,
    api_base=BASE_URL,
    api_key="none",
    temperature=0,
    max_retries=0,
    timeout=60,
    context_window=4096,
    is_chat_model=True,
    is_function_calling_model=True,
)


def get_weather(city: str) -> str:
    """Get the current weather for a city"""
    return WEATHER[city]


weather_tool = FunctionTool.from_defaults(get_weather, name="get_weather", description=get_weather.__doc__)


@check
def chat():
    """a chat is answered"""
    answer = llm.chat([ChatMessage(role=MessageRole.USER, content="What is the capital of France?")])
    assert "The capital of France is Paris." in answer.message.content


@check
def stream():
    """a stream adds up to the answer"""
    parts = list(llm.stream_chat([ChatMessage(role=MessageRole.USER, content="What is the capital of France?")]))
    assert "The capital of France is Paris." in "".join(part.delta or "" for part in parts)


@check
def tools():
    """two calls, two results, one answer"""
    history = [ChatMessage(role=MessageRole.USER, content=WEATHER_QUESTION)]
    first = llm.chat_with_tools([weather_tool], chat_history=history, allow_parallel_tool_calls=True)
    calls = llm.get_tool_calls_from_response(first)
    same([call.tool_kwargs for call in calls], [{"city": "Oslo"}, {"city": "Madrid"}])
    history.append(first.message)
    for call in calls:
        content = get_weather(**call.tool_kwargs)
        history.append(ChatMessage(role=MessageRole.TOOL, content=content, additional_kwargs={"tool_call_id": call.tool_id}))
    tells_the_weather(llm.chat_with_tools([weather_tool], chat_history=history).message.content)


run()
