"""The eleven steps of a sign-in, as LINE WORKS and a browser do them."""

from tests.installation import EXTERNAL_KEY, REDIRECT_URI, Installation, code_of


async def test_a_person_signs_in(anywhere: Installation) -> None:
    browser = anywhere.browser()
    response = await browser.sign_in()
    assert response.status_code == 303
    code = code_of(response)
    assert response.headers["location"] == f"{REDIRECT_URI}&code={code}"

    token = await anywhere.exchange(code)
    assert token.status_code == 200
    body = token.json()
    assert body == {
        "access_token": body["access_token"],
        "token_type": "Bearer",
        "expires_in": 86_400,
    }
    who = await anywhere.user_info(body["access_token"])
    assert (who.status_code, who.json()) == (200, {"user_id": EXTERNAL_KEY})


async def test_a_session_skips_the_page(anywhere: Installation) -> None:
    browser = anywhere.browser()
    first = code_of(await browser.sign_in())
    again = await browser.arrive()
    assert again.status_code == 303
    assert code_of(again) != first
