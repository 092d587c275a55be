"""psql through a TCP listener: queries, bulk data both ways, transactions, errors, a cancelled query, and pgbench beside it."""

import signal
import subprocess
import time

from common import *

# HOST:PORT, and what is to be said about TLS, as libpq's settings.
HOST, PORT = os.environ["SITE_POSTGRES"].rsplit(":", 1)
TLS = os.environ.get("SITE_POSTGRES_TLS", "sslmode=disable")
PGBENCH = os.environ["SITE_PGBENCH"]
TARGET = f"host={HOST} port={PORT} user=postgres dbname=postgres connect_timeout=10 {TLS}"
COMMAND = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--dbname", TARGET]
# Each way to the server has its tables, so that several clients may be at work.
TABLE = "tls_table" if "verify" in TLS else "plain_table"


def psql(*statements, stdin=None, wanted=0, more=()):
    words = [word for statement in statements for word in ("--command", statement)]
    done = subprocess.run([*COMMAND, *more, *words], input=stdin, capture_output=True, timeout=60)
    check(done.returncode == wanted, f"exit code {wanted} of {statements}", (done.returncode, done.stdout[:500], done.stderr))
    return done.stdout if wanted == 0 else done.stderr


same(psql("select 6 * 7, 'Grüße'").decode(), "42|Grüße\n", "a query")
encrypted = psql("select ssl from pg_stat_ssl where pid = pg_backend_pid()").decode().strip()
same(encrypted, "t" if "verify" in TLS else "f", "encrypted up to the server")

# Some MB in and out again, unchanged.
rows = b"".join(b"%d\t%s\n" % (n, (b"%06d" % n) * 12) for n in range(60_000))
psql(f"drop table if exists {TABLE}", f"create table {TABLE} (id int primary key, text text)")
psql(f"\\copy {TABLE} from stdin", stdin=rows)
same(psql(f"select count(*), sum(id) from {TABLE}").decode(), "60000|1799970000\n", "what arrived")
same(sha256(psql(f"\\copy (select * from {TABLE} order by id) to stdout")), sha256(rows), f"{len(rows)} bytes back")

# Transactions, and an error in one.
psql("begin", f"delete from {TABLE}", "rollback")
same(psql(f"select count(*) from {TABLE}"), b"60000\n", "after a rollback")
psql("begin", f"delete from {TABLE} where id < 100", "commit")
same(psql(f"select count(*) from {TABLE}"), b"59900\n", "after a commit")
check(b"division by zero" in psql("select 1/0", wanted=1), "an error of the server's, said")
same(psql(f"select count(*) from {TABLE} a, generate_series(1, 3)"), b"179700\n", "after an error")

# A query is cancelled: that is asked over a connection of its own, which libpq before 17 never encrypts.
if "verify" not in TLS:
    running = subprocess.Popen([*COMMAND, "--command", "select pg_sleep(60) /* mine */"], stderr=subprocess.PIPE)
    seen = "select count(*) from pg_stat_activity where query like '%/* mine */' and state = 'active' and pid <> pg_backend_pid()"
    for _ in range(200):
        if psql(seen) == b"1\n":
            break
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=20)[1]
    check(b"canceling statement due to user request" in said, "a cancelled query", said)

# Connections that live on beside each other; a script of our own, for the tables of pgbench's would be shared.
with open(os.path.join(os.environ["SITE_FOLDER"], TABLE + ".sql"), "w") as file:
    file.write(f"\\set id random(100, 59999)\nselect text from {TABLE} where id = :id;\n")
bench = subprocess.run(
    [PGBENCH, "--no-vacuum", "--client=16", "--transactions=100", "--file", file.name, TARGET],
    capture_output=True, timeout=90, text=True,
)
check(bench.returncode == 0 and "1600/1600" in bench.stdout, "1,600 transactions of 16 clients", bench.stdout + bench.stderr)

version = subprocess.run(["psql", "--version"], capture_output=True, text=True).stdout.strip()
saw(f"{version}, {TLS.split()[0]}: queries, {len(rows) >> 20} MiB both ways, transactions, 16 at once" + (", cancel" if "verify" not in TLS else ""))
