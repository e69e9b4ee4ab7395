"""Drives the official SDK of OpenAI against the server. Only the base URL and the key are not as usual.

The provider behind the server answers by the prompt; see mod.rs, which also counts the requests.
"""

import os

import openai
from openai import OpenAI
from pydantic import BaseModel

# Reads OPENAI_BASE_URL and OPENAI_API_KEY.
client = OpenAI()
POOR_KEY = os.environ["POOR_KEY"]
READER_KEY = os.environ["READER_KEY"]


class City(BaseModel):
    name: str
    people: int


def says(prompt):
    return {"model": "m", "messages": [{"role": "user", "content": prompt}]}


def raises(kind, call):
    try:
        call()
    except kind as error:
        assert type(error) is kind, repr(error)
        return error
    raise AssertionError(f"no {kind.__name__}")


def models():
    names = [model.id for model in client.models.list()]
    assert {"m", "second"} <= set(names), names
    model = client.models.retrieve("m")
    assert (model.id, model.object, model.owned_by) == ("m", "model", "test"), model


def chat():
    answer = client.chat.completions.create(**says("hello"), temperature=0, user="u-1")
    assert answer.object == "chat.completion" and answer.model == "m"
    choice = answer.choices[0]
    assert (choice.message.role, choice.message.content) == ("assistant", "You said: hello")
    assert choice.finish_reason == "stop" and choice.message.refusal is None
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)
    assert answer._request_id


def stream():
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**says("hello"), stream=True, stream_options=options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "You said: hello", text
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 15
    assert chunks[-2].choices[0].finish_reason == "stop" and chunks[-2].usage is None


def stream_helper():
    with client.chat.completions.stream(**says("hello")) as events:
        kinds = {event.type for event in events}
        answer = events.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds, kinds
    assert answer.choices[0].message.content == "You said: hello"


def parse():
    answer = client.chat.completions.parse(**says("json"), response_format=City)
    assert answer.choices[0].message.parsed == City(name="Rome", people=3), answer


def parse_repaired():
    answer = client.chat.completions.parse(**says("json after a repair"), response_format=City)
    assert answer.choices[0].message.parsed == City(name="Rome", people=3), answer
    assert answer.usage.total_tokens == 30


def parse_refused():
    message = client.chat.completions.parse(**says("refuse"), response_format=City).choices[0].message
    assert (message.parsed, message.refusal) == (None, "I cannot."), message


def parse_cut():
    raises(
        openai.LengthFinishReasonError,
        lambda: client.chat.completions.parse(**says("cut"), response_format=City),
    )


def parse_never():
    error = raises(
        openai.InternalServerError,
        lambda: client.chat.completions.parse(**says("no json"), response_format=City),
    )
    assert (error.status_code, error.code) == (502, "output_schema_mismatch"), error


def tools():
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    answer = client.chat.completions.create(**says("call a tool"), tools=[tool])
    choice = answer.choices[0]
    call = choice.message.tool_calls[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Rome"}')
    messages = [
        {"role": "user", "content": "hello"},
        choice.message,
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    client.chat.completions.create(model="m", messages=messages, tools=[tool])
    # Some write the message out, empty fields included.
    messages[1] = choice.message.model_dump()
    client.chat.completions.create(model="m", messages=messages, tools=[tool])


def same_request_twice():
    def ask(prompt):
        headers = {"Idempotency-Key": "sdk"}
        return client.chat.completions.with_raw_response.create(**says(prompt), extra_headers=headers)

    first, again = ask("hello"), ask("hello")
    assert again.headers["idempotent-replayed"] == "true"
    assert first.parse().id == again.parse().id
    error = raises(openai.ConflictError, lambda: ask("something else"))
    assert error.code == "idempotency_key_conflict", error


def wrong_key():
    wrong = OpenAI(api_key="sk_live_wrong")
    error = raises(openai.AuthenticationError, lambda: wrong.chat.completions.create(**says("hello")))
    assert (error.status_code, error.code) == (401, "invalid_api_key"), error


def weak_key():
    reader = OpenAI(api_key=READER_KEY)
    assert reader.models.retrieve("m").id == "m"
    error = raises(openai.PermissionDeniedError, lambda: reader.chat.completions.create(**says("hello")))
    assert error.code == "insufficient_scope", error


def no_such_model():
    request = says("hello") | {"model": "nothing"}
    error = raises(openai.NotFoundError, lambda: client.chat.completions.create(**request))
    assert (error.code, error.param) == ("model_not_found", "model"), error
    raises(openai.NotFoundError, lambda: client.models.retrieve("nothing"))


def bad_request():
    error = raises(
        openai.BadRequestError,
        lambda: client.chat.completions.create(**says("hello"), temperature=9),
    )
    assert (error.code, error.param) == ("invalid_request", "temperature"), error
    assert error.request_id and error.request_id == error.body["request_id"]


def no_credits():
    poor = OpenAI(api_key=POOR_KEY)
    error = raises(openai.RateLimitError, lambda: poor.chat.completions.create(**says("hello")))
    assert (error.code, error.type) == ("insufficient_quota", "insufficient_quota"), error


def provider_down():
    error = raises(
        openai.InternalServerError, lambda: client.chat.completions.create(**says("always fail"))
    )
    assert (error.status_code, error.code) == (502, "server_error"), error


def provider_refuses_the_server():
    error = raises(
        openai.InternalServerError, lambda: client.chat.completions.create(**says("refuse the key"))
    )
    assert (error.status_code, error.code) == (502, "server_error"), error


def provider_recovers():
    answer = client.chat.completions.create(**says("fail twice"))
    assert answer.choices[0].message.content == "You said: fail twice"


def stream_breaks():
    def read():
        for _ in client.chat.completions.create(**says("break"), stream=True):
            pass

    error = raises(openai.APIError, read)
    assert (error.code, error.type) == ("server_error", "api_error"), error.body


for step in [
    models,
    chat,
    stream,
    stream_helper,
    parse,
    parse_repaired,
    parse_refused,
    parse_cut,
    parse_never,
    tools,
    same_request_twice,
    wrong_key,
    weak_key,
    no_such_model,
    bad_request,
    no_credits,
    provider_down,
    provider_refuses_the_server,
    provider_recovers,
    stream_breaks,
]:
    print(step.__name__, flush=True)
    step()
