"""The official Python client: openai_python.py http://127.0.0.1:8080"""

import asyncio
import json
from typing import Annotated

import openai
import pydantic
from check import BASE_URL, MODEL, WEATHER, WEATHER_QUESTION, WEATHER_TOOL, check, run, same, tells_the_weather

client = openai.OpenAI(base_url=BASE_URL, api_key="none", max_retries=0, timeout=60)


def ask(content, **more):
    more = {"temperature": 0, "reasoning_effort": "none", **more}
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}], **more)


def text_of(stream):
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


@check
def chat():
    """a chat is answered, with its usage"""
    answer = ask("What is the capital of France?")
    same(answer.choices[0].message.content, "The capital of France is Paris.")
    same(answer.choices[0].finish_reason, "stop")
    same((answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens), (19, 8, 27))
    assert answer._request_id.startswith("req_")


@check
def stream():
    """a stream gives the same text, and its usage only when asked"""
    same(text_of(ask("What is the capital of France?", stream=True)), "The capital of France is Paris.")
    chunks = list(ask("What is the capital of France?", stream=True, stream_options={"include_usage": True}))
    same({chunk.id for chunk in chunks}, {chunks[0].id})
    same(chunks[-1].usage.total_tokens, 27)
    assert all(chunk.usage is None for chunk in chunks[:-1])


@check
def stop():
    """stop strings end the text before them, as a string and as a list, streamed or not"""
    for value in (", 7", ["never", ", 7, 8"]):
        same(ask("Count from 3 to 12.", stop=value).choices[0].message.content, "3, 4, 5, 6")
        same(text_of(ask("Count from 3 to 12.", stop=value, stream=True)), "3, 4, 5, 6")


@check
def seed():
    """a seed gives the same text at temperature 1, and another seed another"""
    texts = [
        ask("Tell me a story.", temperature=1, seed=seed, max_tokens=40).choices[0].message.content for seed in (1, 2, 1)
    ]
    same(texts[0], texts[2])
    assert texts[0] != texts[1]


@check
def models():
    """models are listed and found; an unknown one is not"""
    same([model.id for model in client.models.list()], [MODEL])
    same(client.models.retrieve(MODEL).id, MODEL)
    try:
        client.models.retrieve("no-such")
        raise AssertionError("an unknown model was found")
    except openai.NotFoundError as error:
        same(error.code, "model_not_found")


@check
def tools():
    """the weather of two cities: two calls, two results, one answer"""
    messages = [{"role": "user", "content": WEATHER_QUESTION}]
    more = {"model": MODEL, "temperature": 0, "tools": [WEATHER_TOOL]}
    first = client.chat.completions.create(messages=messages, **more).choices[0]
    same(first.finish_reason, "tool_calls")
    calls = first.message.tool_calls
    same([json.loads(call.function.arguments) for call in calls], [{"city": "Oslo"}, {"city": "Madrid"}])
    messages.append(first.message)
    for call in calls:
        city = json.loads(call.function.arguments)["city"]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": WEATHER[city]})
    tells_the_weather(client.chat.completions.create(messages=messages, **more).choices[0].message.content)


class Report(pydantic.BaseModel):
    city: str = pydantic.Field(max_length=20)
    degrees: int = pydantic.Field(ge=-50, le=50)
    words: list[Annotated[str, pydantic.Field(max_length=12)]] = pydantic.Field(max_length=3)


@check
def parse():
    """parse() gives the type asked for, at any temperature, streamed or not"""
    more = {"model": MODEL, "response_format": Report, "messages": [{"role": "user", "content": "How warm is Oslo?"}]}
    for seed in range(5):
        choice = client.chat.completions.parse(temperature=1.5, seed=seed, **more).choices[0]
        same(choice.finish_reason, "stop")
        assert isinstance(choice.message.parsed, Report)
    with client.chat.completions.stream(temperature=1.5, seed=1, **more) as events:
        assert isinstance(events.get_final_completion().choices[0].message.parsed, Report)


@check
def forced_calls():
    """a call that must come has arguments of its schema"""
    for choice in ("required", {"type": "function", "function": {"name": "Report"}}):
        answer = client.chat.completions.parse(
            model=MODEL,
            messages=[{"role": "user", "content": "Tell me a story."}],
            tools=[openai.pydantic_function_tool(Report)],
            tool_choice=choice,
            temperature=1.5,
            seed=4,
        )
        calls = answer.choices[0].message.tool_calls
        assert calls and all(isinstance(call.function.parsed_arguments, Report) for call in calls)


@check
def legacy():
    """a prompt is continued, and a list of prompts too"""
    answer = client.completions.create(model=MODEL, prompt="The capital of France is", max_tokens=4, temperature=0)
    assert answer.choices[0].text
    both = client.completions.create(model=MODEL, prompt=["One", "Two"], max_tokens=2, temperature=0)
    same([choice.index for choice in both.choices], [0, 1])


@check
def errors():
    """faults are the client's own error classes and name the field"""
    for more, kind, param in (
        ({"temperature": 9}, openai.BadRequestError, "temperature"),
        ({"max_tokens": 0}, openai.BadRequestError, "max_tokens"),
        ({"extra_body": {"stop": 5}}, openai.BadRequestError, "stop"),
    ):
        try:
            ask("Hello!", **more)
            raise AssertionError(f"{more} was answered")
        except kind as error:
            same(error.param, param)


@check
def many():
    """the asynchronous client runs eight streams at once, and each gets its own answer"""

    async def echo(connection, word):
        request = {"model": MODEL, "temperature": 0, "reasoning_effort": "none", "stream": True}
        messages = [{"role": "user", "content": f"Repeat after me: {word}"}]
        stream = await connection.chat.completions.create(messages=messages, **request)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def all_of(words):
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key="none", max_retries=0, timeout=60) as connection:
            return await asyncio.gather(*(echo(connection, word) for word in words))

    words = [f"the quick red lamp {number}" for number in range(4821, 4829)]
    same(asyncio.run(all_of(words)), words)


run()
