"""The requests library with its defaults: LINE WORKS' calls for each code on standard input."""

import sys

import requests

url, client_id, client_secret = sys.argv[1:]
client = {"client_id": client_id, "client_secret": client_secret}

with requests.Session() as http:
    for line in sys.stdin:
        form = {**client, "grant_type": "authorization_code", "code": line.strip()}
        token = http.post(f"{url}/accessToken", data=form, timeout=15).json()
        form = {**client, "access_token": token["access_token"]}
        print(http.post(f"{url}/userInfo", data=form, timeout=15).json()["user_id"], flush=True)
