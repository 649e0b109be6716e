"""pydantic-ai's Agent: pydantic_ai_agent.py http://127.0.0.1:8080"""

import asyncio

from check import BASE_URL, MODEL, WEATHER, WEATHER_QUESTION, check, run, same, tells_the_weather
from pydantic import BaseModel, Field
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

# By default pydantic-ai marks tools as strict: their calls are held to the schema.
model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=BASE_URL, api_key="none"))
settings = {"temperature": 0.0}


@check
def answers():
    """an agent without tools answers and counts tokens"""
    result = Agent(model, model_settings=settings).run_sync("What is the capital of France?")
    assert "The capital of France is Paris." in result.output
    assert result.usage.output_tokens > 0


@check
def tools():
    """an agent calls its tool for both cities and tells what came back"""
    agent = Agent(model, model_settings=settings)
    asked = []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Get the current weather for a city"""
        asked.append(city)
        return WEATHER[city]

    tells_the_weather(agent.run_sync(WEATHER_QUESTION).output)
    same(sorted(asked), ["Madrid", "Oslo"])


class Report(BaseModel):
    city: str = Field(max_length=20)
    degrees: int = Field(ge=-50, le=50)


@check
def output_by_tool():
    """an output type becomes a tool that must be called"""
    report = Agent(model, model_settings=settings, output_type=Report).run_sync("How warm is Oslo?").output
    assert isinstance(report, Report)


@check
def native_output():
    """an output type becomes a response format"""
    agent = Agent(model, model_settings={"temperature": 1.5, "seed": 3}, output_type=NativeOutput(Report))
    assert isinstance(agent.run_sync("How warm is Oslo?").output, Report)


@check
def stream():
    """an agent streams its answer"""

    async def text():
        async with Agent(model, model_settings=settings).run_stream("What is the capital of France?") as result:
            return "".join([part async for part in result.stream_text(delta=True)])

    assert "The capital of France is Paris." in asyncio.run(text())


run()
