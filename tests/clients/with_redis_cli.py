"""redis-cli through a TCP listener: short questions, 10,000 in one go, and connections that wait."""

import subprocess
import threading
import time

from common import *

HOST, PORT = os.environ["SITE_REDIS"].rsplit(":", 1)
COMMAND = ["redis-cli", "-h", HOST, "-p", PORT]


def redis(*arguments, stdin=None):
    done = subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, timeout=60)
    check(done.returncode == 0, f"exit code 0 of redis-cli {arguments}", (done.stdout, done.stderr))
    return done.stdout


same(redis("set", "name", "Grüße"), b"OK\n", "set")
same(redis("--raw", "get", "name").decode(), "Grüße\n", "get")

# One value of 4 MiB, there and back.
value = pattern(4 * MIB).replace(b"\n", b".")
same(redis("-x", "set", "large", stdin=value), b"OK\n", "a value of 4 MiB")
same(sha256(redis("--raw", "get", "large")[:-1]), sha256(value), "4 MiB back")

# 10,000 commands in one go.
commands = b"".join(
    b"*3\r\n$3\r\nSET\r\n$%d\r\nkey:%d\r\n$%d\r\nvalue-%d\r\n" % (len(f"key:{n}"), n, len(f"value-{n}"), n)
    for n in range(10_000)
)
said = redis("--pipe", stdin=commands)
check(b"errors: 0, replies: 10000" in said, "10,000 replies", said)
same(redis("get", "key:9999"), b"value-9999\n", "the last of them")

# Somebody who waits for a value gets it when it comes.
waiting = subprocess.Popen([*COMMAND, "blpop", "queue", "20"], stdout=subprocess.PIPE)
while b"cmd=blpop" not in redis("client", "list"):
    time.sleep(0.02)
redis("rpush", "queue", "at last")
same(waiting.communicate(timeout=20)[0], b"queue\nat last\n", "the blocked pop")

# A subscriber hears what is published, in order.
subscriber = subprocess.Popen([*COMMAND, "subscribe", "news"], stdout=subprocess.PIPE)
heard = []


def listen():
    for line in subscriber.stdout:
        heard.append(line.strip().decode())
        if line.strip() == b"item 99":
            return


listener = threading.Thread(target=listen, daemon=True)
listener.start()
while redis("pubsub", "numsub", "news").split() != [b"news", b"1"]:
    time.sleep(0.02)
redis("--pipe", stdin=b"".join(b"PUBLISH news \"item %d\"\r\n" % n for n in range(100)))
listener.join(20)
same([line for line in heard if line.startswith("item")], [f"item {n}" for n in range(100)], "what was published")
subscriber.kill()
subscriber.wait()

# Many clients at once, each with its own connection.
said = redis("--version").decode().strip()
bench = subprocess.run(
    ["redis-benchmark", "-h", HOST, "-p", PORT, "-c", "50", "-n", "10000", "-t", "set,get,lpush,lrange_100", "-P", "5", "-q"],
    capture_output=True, timeout=90, text=True,
)
check(bench.returncode == 0 and "rror" not in bench.stdout + bench.stderr, "a benchmark without errors", bench.stdout + bench.stderr)
saw(f"{said}: a pipe of 10,000, 4 MiB, a blocked pop, a subscriber, 50 clients at once")
