"""testssl.sh against the TLS listener: of what it calls a weakness of the server, nothing may be found."""

import os
import subprocess
from urllib.parse import urlsplit

from common import *

# What it says and is no matter of the server's TLS: the grade and the reason. In another grade it counts.
IGNORED = {
    "cert_revocation": ("HIGH", "the test's own authority runs no service that a certificate could name"),
    # WARN: it could not judge.
    "sessionresumption_ticket": ("WARN", "its client leaves before TLS 1.3 sends a ticket; with_openssl.py stays, and sees it taken"),
    "sessionresumption_ID": ("WARN", "the same"),
    "engine_problem": ("WARN", "about the openssl program that it uses itself: no GOST"),
}
# Protocols, ciphers, forward secrecy, order, certificate and handshake, vulnerabilities. Left out: fields of HTTP answers
# (HSTS and the like), which are the service's to choose, and simulated clients, which find nothing that these do not.
PARTS = ["-p", "-s", "-f", "-P", "-S", "-U"]
FINE = ("OK", "INFO", "DEBUG")
# So many it judges at least; fewer, and it has not done what it was asked for.
FINDINGS_MIN = 60

folder = os.environ["SITE_FOLDER"]
out = os.path.join(folder, "testssl.json")
done = subprocess.run(
    ["testssl", "--quiet", "--warnings", "batch", "--color", "0", "--nodns", "min", "--ip", "127.0.0.1",
     "--add-ca", CA, *PARTS, "--jsonfile", out, f"localhost:{urlsplit(BASE).port}"],
    capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=folder,
)
check(os.path.exists(out), "findings of testssl", done.stdout[-2000:] + done.stderr[-2000:])
with open(out) as file:
    findings = json.load(file)
judged = [f for f in findings if IGNORED.get(f["id"], ("", ""))[0] != f["severity"]]
bad = [finding for finding in judged if finding["severity"] not in FINE]
check(not bad, "no finding", "\n".join(f"{f['severity']} {f['id']}: {f['finding']}" for f in bad))
check(len(judged) >= FINDINGS_MIN, f"at least {FINDINGS_MIN} judgements", done.stdout[-3000:])
version = subprocess.run(["testssl", "--version"], capture_output=True, text=True).stdout
number = next((word for word in version.split() if word[:2] == "3."), "")
saw(f"testssl.sh {number}: {len(judged)} judgements, no weakness ({len(findings) - len(judged)} ignored, not the server's)")
