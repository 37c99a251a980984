"""Who comes to the pod: page loads and fetches, as a browser sends them."""

import http.client
import itertools
import json

PAGE = {
    "Accept": "text/html,application/xhtml+xml",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
    "User-Agent": "Mozilla/5.0 (test)",
}
FETCH = {"Accept": "*/*", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
# One browser that comes back without its cookie again and again would be taken for a loop.
PEOPLE = itertools.count(1)


def get(path, headers):
    """One request on a connection of its own, from inside the pod's network: the answer and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def load_page():
    """The cookieless page load of somebody new; returns what further requests bring: who it is, and t3's session cookie."""
    person = {"X-authentik-username": f"person-{next(PEOPLE)}@example.org"}
    answer, _ = get("/?from=here", PAGE | person)
    assert answer.status == 302, answer.status
    assert answer.headers["Location"] == "/?from=here"
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    assert cookie.startswith("t3_session")
    return person | {"Cookie": cookie}


def is_signed_in(fields):
    """By the session in these fields, not by one that it gets instead."""
    answer, body = get("/api/auth/session", FETCH | fields)
    return json.loads(body)["authenticated"] and "Set-Cookie" not in answer.headers
