"""Requests to other servers: to allowed addresses only, with responses of limited size (R-93)."""

from collections.abc import AsyncIterator, Callable

import httpx2


class Unusable(httpx2.TransportError):
    """The response is not allowed, or unusable; the text says why, and contains no secret."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Allows requests to some addresses only, and no responses above ``max_answer`` bytes.

    Redirects are refused, or with ``returns_redirects`` given to the caller, who may follow one
    through the same guard. Raises Unusable.
    """

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        is_allowed: Callable[[httpx2.URL], bool],
        *,
        max_answer: int,
        returns_redirects: bool = False,
    ) -> None:
        self._inner = inner
        self._is_allowed = is_allowed
        self._max_answer = max_answer
        self._returns_redirects = returns_redirects

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not self._is_allowed(request.url):
            raise Unusable("the address is not an allowed one")
        answer = await self._inner.handle_async_request(request)
        stream = answer.stream
        problem = self._problem(answer)
        if problem or not isinstance(stream, httpx2.AsyncByteStream):
            await answer.aclose()
            raise Unusable(problem or "the response is not a stream")
        return httpx2.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_Limited(stream, self._max_answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _problem(self, answer: httpx2.Response) -> str | None:
        if 300 <= answer.status_code < 400 and not self._returns_redirects:
            return "the response is a redirect"
        # A compressed response could expand to more than the limit.
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            return "the response is compressed, which was not requested"
        return None


class _Limited(httpx2.AsyncByteStream):
    """A stream that ends in Unusable after so many bytes."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._most:
                raise Unusable("the response is too long")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
