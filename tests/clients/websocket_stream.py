"""The websockets package against /v1/stream: one answer, several at once, and one that goes on over a new connection."""

import json

from websockets.sync.client import connect

from check import BASE_URL, check, run, same

URL = BASE_URL.replace("http", "ws") + "/stream"
PATH = "/v1/chat/completions"


def ask(text, **fields):
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "reasoning_effort": "none", **fields}


def content(message):
    choices = message["data"]["choices"] if message["type"] == "chunk" else []
    return choices[0]["delta"].get("content") or "" if choices else ""


@check
def an_answer():
    """an answer comes in messages"""
    with connect(URL) as socket:
        body = ask("What is the capital of France?")
        socket.send(json.dumps({"type": "request", "id": "1", "path": PATH, "body": body}))
        text = ""
        for message in map(json.loads, socket):
            text += content(message)
            if message["type"] in ("done", "error"):
                break
        same(message["type"], "done")
        same(text, "The capital of France is Paris.")


@check
def several_at_once():
    """requests on one connection keep apart, and one of them can be cancelled"""
    with connect(URL) as socket:
        for number in (20, 30, 200):
            body = ask(f"Count from 1 to {number}.", max_tokens=3000)
            socket.send(json.dumps({"type": "request", "id": str(number), "path": PATH, "body": body}))
        socket.send(json.dumps({"type": "cancel", "id": "200"}))
        ends, texts = {}, {"20": "", "30": "", "200": ""}
        for message in map(json.loads, socket):
            texts[message["id"]] += content(message)
            if message["type"] in ("done", "error", "cancelled"):
                ends[message["id"]] = message["type"]
            if len(ends) == 3:
                break
        same(ends, {"20": "done", "30": "done", "200": "cancelled"})
        same(texts["20"], ", ".join(map(str, range(1, 21))))


@check
def a_lost_connection():
    """a resumable answer goes on where the connection was lost"""
    numbers, text = [], ""
    with connect(URL) as socket:
        body = ask("Count from 1 to 20.", resumable=True)
        socket.send(json.dumps({"type": "request", "id": "a", "path": PATH, "body": body}))
        stream = json.loads(socket.recv())["stream"]
        while len(numbers) < 7:
            message = json.loads(socket.recv())
            numbers.append(message["event"])
            text += content(message)
    with connect(URL) as socket:
        socket.send(json.dumps({"type": "resume", "id": "b", "stream": stream, "after": numbers[-1]}))
        for message in map(json.loads, socket):
            if message["type"] == "started":
                continue
            numbers.append(message["event"])
            text += content(message)
            if message["type"] != "chunk":
                break
    same(numbers, list(range(1, len(numbers) + 1)))
    same(text, ", ".join(map(str, range(1, 21))))


run()
