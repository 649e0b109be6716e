// The tool that fixtures/tiny-qwen3 was trained to call, in OpenAI's form.

export const WEATHER_TOOL = {
  type: "function" as const,
  function: {
    name: "get_weather",
    description: "Get the current weather for a city",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string", description: "The city name" },
        unit: { type: "string", enum: ["celsius", "fahrenheit"] },
      },
      required: ["city"],
    },
  },
}

export const WEATHER_QUESTION = "What is the weather in Oslo and Madrid?"

/** Results as Python's json.dumps spaces them: what the model was trained on. */
export const WEATHER: Readonly<Record<string, string>> = {
  Oslo: '{"city": "Oslo", "temperature": -3, "condition": "snowy"}',
  Madrid: '{"city": "Madrid", "temperature": 30, "condition": "clear"}',
}
