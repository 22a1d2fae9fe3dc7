"""A client that asks all the time, each time over a connection of its own, and says how each request ended.

    client.py WHAT URL STOP [CA]    until the file STOP exists; each line: SECONDS ok|FAILED WHAT-IT-GOT

WHAT: `get`; `put`, a write of etcd's, which is tried again for a second as its clients do; `tls`, whose answer is the serial number.
"""
import base64, http.client, json, os, ssl, sys, time, urllib.parse

what, url, stop = sys.argv[1:4]
to = urllib.parse.urlsplit(url)


def get():
    c = http.client.HTTPConnection(to.hostname, to.port or 80, timeout=30)
    c.request("GET", to.path or "/", headers={"Connection": "close"})
    r = c.getresponse()
    body = r.read()
    if r.status != 200 or len(body) != int(r.headers["Content-Length"]):
        raise OSError(f"status {r.status}, {len(body)} bytes")
    return body[:40].decode().strip().split("\n")[0]


def put():
    members = to.netloc.split(",")
    end = time.monotonic() + 10
    b64 = lambda text: base64.b64encode(text.encode()).decode()
    while True:
        for member in members:
            try:
                c = http.client.HTTPConnection(member, timeout=2)
                c.request("POST", "/v3/kv/put", json.dumps({"key": b64("k"), "value": b64(str(time.time()))}))
                r = c.getresponse()
                if r.status == 200 and "revision" in json.loads(r.read())["header"]:
                    return member
            except OSError:
                pass
        if time.monotonic() > end:
            raise OSError("nobody takes it")


def tls():
    context = ssl.create_default_context(cafile=sys.argv[4])
    c = http.client.HTTPSConnection(to.hostname, to.port or 443, timeout=10, context=context)
    c.sock = context.wrap_socket(__import__("socket").create_connection((to.hostname, to.port or 443), 10), server_hostname=to.path[1:])
    c.request("GET", "/", headers={"Host": to.path[1:], "Connection": "close"})
    status = c.getresponse().status
    if status != 200:
        raise OSError(f"status {status}")
    return "200"


while not os.path.exists(stop):
    began = time.monotonic()
    try:
        said = "ok " + {"get": get, "put": put, "tls": tls}[what]()
    except Exception as why:
        said = f"FAILED {why!r}"
    print(f"{time.monotonic() - began:.3f} {said}", flush=True)
    time.sleep(0.005)
