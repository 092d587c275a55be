"""What is special about TLS, seen by curl, the openssl program and Python's own ssl: versions, names, resumption, trust both
ways, and certificates that change while connections live."""

import http.client
import json
import os
import socket
import ssl
import subprocess
import time
from urllib.parse import urlsplit

from common import *

TLS = os.environ["SITE_TLS"]
PORT = urlsplit(BASE).port
HTTP = {"GET": b"GET /o/echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"}
# How curl ends where its certificate was wanted or not believed: in the handshake, or with 1.3 when it writes or reads.
REFUSED = (35, 55, 56, 98)
PAIR = lambda name: (f"{TLS}/{name}.pem", f"{TLS}/{name}.key")


def curl(*arguments, wanted=0):
    """What it printed; `wanted` are the exit codes that are right."""
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *arguments], capture_output=True)
    check(done.returncode in wanted, f"exit code {wanted} of curl {arguments}", (done.returncode, done.stdout[:500], done.stderr))
    return done.stdout


def named(name, path="/o/echo"):
    """A URL with this name, which leads to evenkeel."""
    return ["--resolve", f"{name}:{PORT}:127.0.0.1", f"https://{name}:{PORT}{path}"]


def s_client(*arguments, stdin=HTTP["GET"]):
    """What openssl saw of a handshake and one request."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{PORT}", "-CAfile", CA, "-ign_eof", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=20)
    return (done.stdout + done.stderr).decode(errors="replace")


def context(**more):
    made = ssl.create_default_context(cafile=CA)
    made.set_alpn_protocols(more.get("alpn", ["http/1.1"]))
    return made


def connection(name, using=None):
    """A connection that lives on, over which requests are asked."""
    made = http.client.HTTPSConnection(name, PORT, timeout=20, context=using or context())
    made._create_connection = lambda address, timeout, source: socket.create_connection(("127.0.0.1", PORT), timeout)
    made.connect()
    return made


def get(made, path="/o/bytes/10"):
    made.request("GET", path)
    answer = made.getresponse()
    return answer.status, answer.read()


def fails(action, wanted):
    """What a client is told by the exception it gets."""
    try:
        got = action()
    except (ssl.SSLError, ConnectionError, http.client.HTTPException) as error:
        return str(error)
    raise SystemExit(f"FAILED: wanted {wanted}, found {got!r}")


def versions():
    for version, most in [("--tlsv1.2", "1.2"), ("--tlsv1.3", "1.3")]:
        seen = json.loads(curl("--cacert", CA, version, "--tls-max", most, f"{BASE}/o/echo"))
        same(seen["headers"]["x-forwarded-proto"], "https", "the protocol the endpoint is told of")
        check(f"TLSv{most}" in s_client(f"-tls{most.replace('.', '_')}"), f"TLS {most}")
    for old in ("1.0", "1.1"):
        curl("--cacert", CA, f"--tlsv{old}", "--tls-max", old, "--ciphers", "DEFAULT@SECLEVEL=0", f"{BASE}/o/echo", wanted=35)
    same(connection("localhost", context(alpn=["h2", "http/1.1"])).sock.selected_alpn_protocol(), "http/1.1", "ALPN")
    said = fails(lambda: connection("localhost", context(alpn=["h2"])), "a refusal of h2 alone")
    check("no application protocol" in said.lower().replace("_", " "), "the alert no_application_protocol", said)
    # Clear text where TLS is spoken, and the other way round: refused, and nobody else is harmed.
    curl(f"http://127.0.0.1:{PORT}/", wanted=(1, 52, 56))
    same(get(connection("localhost"))[0], 200, "after a client without TLS")


def names():
    for name, subject in [("localhost", "site"), ("other.test", "other"), ("a.other.test", "other"), ("unknown.test", "site")]:
        seen = s_client("-servername", name)
        check(f"subject=CN = evenkeel test {subject}" in seen, f"the certificate `{subject}` for {name}", seen[:1500])
    check("subject=CN = evenkeel test site" in s_client("-noservername"), "the first certificate without a name")
    curl("--cacert", CA, *named("other.test"))
    curl("--cacert", CA, *named("unknown.test"), wanted=60)
    curl("--cacert", f"{TLS}/stranger-ca.pem", f"{BASE}/o/echo", wanted=60)
    curl("--cacert", CA, f"https://127.0.0.1:{PORT}/o/echo")


def resumption():
    for version in ("-tls1_2", "-tls1_3"):
        ticket = os.path.join(os.environ["SITE_FOLDER"], f"ticket{version}")
        first = s_client(version, "-servername", "localhost", "-sess_out", ticket)
        check("New, " in first and "HTTP/1.1 200" in first, f"a full handshake {version}", first[-1500:])
        again = s_client(version, "-servername", "localhost", "-sess_in", ticket)
        check("Reused, " in again and "HTTP/1.1 200" in again, f"a resumed handshake {version}", again[-1500:])
        # A ticket belongs to its host: another one's must not take it, whoever judges its clients least of all.
        for other in ("other.test", "private.test"):
            elsewhere = s_client(version, "-servername", other, "-sess_in", ticket)
            check("Reused, " not in elsewhere, f"no resumption at {other} {version}", elsewhere[-1500:])


def client_certificates():
    fitting = ["--cacert", CA]
    ours, strangers = PAIR("client"), PAIR("stranger")
    for version in ("1.2", "1.3"):
        only = [f"--tlsv{version}", "--tls-max", version]
        curl(*fitting, *only, "--cert", ours[0], "--key", ours[1], "--fail", *named("private.test"))
        curl(*fitting, *only, *named("private.test"), wanted=REFUSED)
        curl(*fitting, *only, "--cert", strangers[0], "--key", strangers[1], *named("private.test"), wanted=REFUSED)
    # A request for the private host over a connection that was made for another does not belong there.
    status = curl(*fitting, "-o", os.devnull, "-w", "%{http_code}", "-H", "Host: private.test", f"{BASE}/o/echo")
    same(status, b"421", "the private host by way of another")


def to_endpoints():
    seen = json.loads(curl("--cacert", CA, f"{BASE}/secure/echo"))
    same((seen["served_by"], seen["server_name"]), ("o3", "origin.test"), "an endpoint that speaks TLS")


def make(name, days):
    """Another pair, as evenkeel's maker of certificates makes them, put in the old one's place."""
    subprocess.run(
        ["openssl", "req", "-x509", "-noenc", "-days", str(days), "-config", f"{TLS}/openssl.cnf", "-subj", f"/CN=renewed {days}",
         "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-CA", CA, "-CAkey", f"{TLS}/ca.key",
         "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:renewed.test",
         "-out", f"{TLS}/part.pem", "-keyout", f"{TLS}/part.key"],
        check=True, capture_output=True,
    )
    os.replace(f"{TLS}/part.key", f"{TLS}/{name}.key")
    os.replace(f"{TLS}/part.pem", f"{TLS}/{name}.pem")


def shown():
    """Whose certificate a new client is shown."""
    made = connection("renewed.test")
    subject = dict(pair[0] for pair in made.sock.getpeercert()["subject"])["commonName"]
    same(get(made)[0], 200, "a new client's request")
    return subject


def renewal():
    old = connection("renewed.test")
    same(get(old)[0], 200, "before the renewal")
    make("renewed", 91)
    end = time.monotonic() + 20
    while shown() != "renewed 91":
        check(time.monotonic() < end, "the new certificate within 20 s of its renewal", shown())
        same(get(old)[0], 200, "while it is renewed")
        time.sleep(0.1)
    same(get(old)[0], 200, "the old connection, after the renewal")
    # A key that does not fit: the old pair stays, and evenkeel says so.
    with open(f"{TLS}/renewed.key", "w") as file, open(f"{TLS}/other.key") as wrong:
        file.write(wrong.read())
    while "renewed.key" not in log():
        check(time.monotonic() < end + 20, "a word about the key that does not fit", log()[-3000:])
        same(shown(), "renewed 91", "the pair that fitted")
        time.sleep(0.1)
    same(get(old)[0], 200, "the first connection, still")


def log():
    with open(os.path.join(os.environ["SITE_FOLDER"], "log")) as file:
        return file.read()


versions()
names()
resumption()
client_certificates()
to_endpoints()
renewal()
version = subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout.split()[1]
saw(f"openssl {version}, curl, ssl: TLS 1.2 and 1.3, names, tickets, client certificates, 421, a renewal under a live connection")
