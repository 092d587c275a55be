"""redis-cli through a TCP listener: short questions, 10,000 in one go, and connections that wait."""

import subprocess
import threading
import time

from common import *

HOST, PORT = os.environ["SITE_REDIS_TLS" if CA else "SITE_REDIS"].rsplit(":", 1)
# With TLS evenkeel ends it; redis itself speaks none.
TLS = ["--tls", "--cacert", CA, "--sni", "localhost"] if CA else []
COMMAND = ["redis-cli", "-h", HOST, "-p", PORT, *TLS]
# Each way to the server has its keys, so that both may be used at once.
OWN = "tls:" if CA else "clear:"


def redis(*arguments, stdin=None):
    done = subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, timeout=60)
    check(done.returncode == 0, f"exit code 0 of redis-cli {arguments}", (done.stdout, done.stderr))
    return done.stdout


same(redis("set", OWN + "name", "Grüße"), b"OK\n", "set")
same(redis("--raw", "get", OWN + "name").decode(), "Grüße\n", "get")

# One value of 4 MiB, there and back.
value = pattern(4 * MIB).replace(b"\n", b".")
same(redis("-x", "set", OWN + "large", stdin=value), b"OK\n", "a value of 4 MiB")
same(sha256(redis("--raw", "get", OWN + "large")[:-1]), sha256(value), "4 MiB back")

# 10,000 commands in one go.
commands = "".join(f"SET {OWN}key:{n} value-{n}\r\n" for n in range(10_000))
said = redis("--pipe", stdin=commands.encode())
check(b"errors: 0, replies: 10000" in said, "10,000 replies", said)
same(redis("get", OWN + "key:9999"), b"value-9999\n", "the last of them")

# Somebody who waits for a value gets it when it comes. In a database of its own, by which it is found among the clients.
DATABASE = "1" if CA else "2"
waiting = subprocess.Popen([*COMMAND, "-n", DATABASE, "blpop", "queue", "20"], stdout=subprocess.PIPE)


def waits():
    clients = redis("client", "list").decode().splitlines()
    return any(f" db={DATABASE} " in client and " cmd=blpop " in client for client in clients)


while not waits():
    time.sleep(0.02)
redis("-n", DATABASE, "rpush", "queue", "at last")
same(waiting.communicate(timeout=20)[0], b"queue\nat last\n", "the blocked pop")

# A subscriber hears what is published, in order.
subscriber = subprocess.Popen([*COMMAND, "subscribe", OWN + "news"], stdout=subprocess.PIPE)
heard = []


def listen():
    for line in subscriber.stdout:
        heard.append(line.strip().decode())
        if line.strip() == b"item 99":
            return


listener = threading.Thread(target=listen, daemon=True)
listener.start()
while redis("pubsub", "numsub", OWN + "news").split() != [f"{OWN}news".encode(), b"1"]:
    time.sleep(0.02)
redis("--pipe", stdin="".join(f'PUBLISH {OWN}news "item {n}"\r\n' for n in range(100)).encode())
listener.join(20)
same([line for line in heard if line.startswith("item")], [f"item {n}" for n in range(100)], "what was published")
subscriber.kill()
subscriber.wait()

# Many clients at once, each with its own connection.
said = redis("--version").decode().strip()
bench = subprocess.run(
    ["redis-benchmark", "-h", HOST, "-p", PORT, *TLS, "-c", "50", "-n", "10000", "-t", "set,get,lpush,lrange_100", "-P", "5", "-q"],
    capture_output=True, timeout=90, text=True,
)
check(bench.returncode == 0 and "rror" not in bench.stdout + bench.stderr, "a benchmark without errors", bench.stdout + bench.stderr)
saw(f"{said}: a pipe of 10,000, 4 MiB, a blocked pop, a subscriber, 50 clients at once{', over TLS' if CA else ''}")
