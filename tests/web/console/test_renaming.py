"""Names and the mail address of a person, changed on their page."""

from tests.web.console.console import ConsoleUnderTest

from worksgate.administration.roles import Role


async def test_a_person_is_renamed_refused_compared_and_undone(console: ConsoleUnderTest) -> None:
    await console.make("owner", Role.OWNER)
    subject = await console.make("mika", None, has_app=False)
    users = console.administration.users
    browser = await console.signed_in("owner")
    await browser.get(f"/person?id={subject}")
    form = {"id": subject, "version": browser.hidden("version")}
    typed = {"name": "佐藤 美香", "reading": "サトウ ミカ", "email": "mika@example.com"}
    await browser.post("/person/rename", **form, username="mika.sato", **typed)
    assert browser.page.status_code == 303, browser.page.text
    page = (await browser.get(browser.page.headers["location"])).text
    assert "Names and mail address are saved." in page
    renamed = await users.get("mika.sato")
    assert {name: getattr(renamed, name) for name in typed} == typed
    found = (await browser.get("/people?q=ｻﾄｳ")).text
    assert ">佐藤 美香</a>" in found
    assert ">サトウ ミカ</small>" in found
    assert renamed.external_key == "key-mika"

    stale = await browser.post("/person/rename", **form, username="mika", name="Mika", email="")
    assert stale.status_code == 409
    assert "while you had it open" in stale.text
    assert await users.get("mika.sato") == renamed

    await browser.get(f"/person?id={subject}")
    form["version"] = browser.hidden("version")
    taken = await browser.post("/person/rename", **form, username="owner", name="Typed", email="")
    assert taken.status_code == 409
    assert 'value="Typed"' in taken.text
    assert 'id="name-problem"' in taken.text
    assert 'id="key-problem"' not in taken.text

    await browser.get(f"/person?id={subject}")
    (change,) = await console.administration.changes.page(subject=subject, limit=1)
    await browser.post("/person/undo", id=subject, number=str(change.change.number))
    assert (await users.get("mika")).email is None
