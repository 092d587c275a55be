//! The brake with the real binary: a server of a fixed capacity that works on for clients that have gone, clients that ask again when
//! they have waited too long, and an outage of two seconds that would last for ever.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::{Answer, Evenkeel, app, read_head};

/// So many requests at once, each for so long: 125 in a second.
const PLACES: usize = 8;
const WORK: Duration = Duration::from_millis(64);
/// A place that got its next request only after this had nothing to do.
const IDLE: Duration = Duration::from_millis(10);
/// Each asks, and when it has its answer pauses: 68 in a second. With answers that come too late they are 250, twice what can be done.
const CLIENTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(1400);
const TIMEOUT: Duration = Duration::from_millis(400);
const OUTAGE: Duration = Duration::from_secs(2);
/// Until it has healed: far above what it takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// A request to be worked on, and the word that it is done.
type Job = (TcpStream, Sender<()>);

/// First come, first served, whoever still waits.
struct Server {
    address: SocketAddr,
    stuck: Arc<AtomicBool>,
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stuck = Arc::<AtomicBool>::default();
        let (send, line) = channel();
        let line = Arc::new(Mutex::new(line));
        for _ in 0..PLACES {
            let (line, stuck) = (line.clone(), stuck.clone());
            std::thread::spawn(move || work(&line, &stuck));
        }
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let send = send.clone();
                std::thread::spawn(move || read(&stream, &send));
            }
        });
        Server { address, stuck }
    }
}

/// Checks are answered at once: the server is well.
fn read(stream: &TcpStream, line: &Sender<Job>) {
    let mut reader = BufReader::new(stream);
    while let Some(head) = read_head(&mut reader) {
        if head.contains(" /healthz ") {
            answer(stream);
            continue;
        }
        let (done, until_done) = channel();
        let Ok(stream) = stream.try_clone() else {
            return;
        };
        if line.send((stream, done)).is_err() || until_done.recv().is_err() {
            return;
        }
    }
}

/// By the clock: on a busy machine it works no slower, only less evenly.
fn work(line: &Mutex<Receiver<Job>>, stuck: &AtomicBool) {
    let mut free = Instant::now();
    loop {
        let since = Instant::now();
        let Ok((stream, done)) = line.lock().unwrap().recv() else {
            return;
        };
        if since.elapsed() > IDLE {
            free = Instant::now();
        }
        free += WORK;
        std::thread::sleep(free.saturating_duration_since(Instant::now()));
        while stuck.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
            free = Instant::now();
        }
        answer(&stream);
        let _ = done.send(());
    }
}

fn answer(mut stream: &TcpStream) {
    // Nobody may be there any more, which such a server does not care for.
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/// Clients that never give up, until they are dropped.
struct Clients {
    answered: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Clients {
    fn start(web: SocketAddr) -> Clients {
        let clients = Clients {
            answered: Arc::default(),
            over: Arc::default(),
        };
        for n in 0..CLIENTS {
            let (answered, over) = (clients.answered.clone(), clients.over.clone());
            std::thread::spawn(move || {
                std::thread::sleep(PAUSE * n / CLIENTS);
                while !over.load(SeqCst) {
                    if ask(web).is_ok_and(|status| status == 200) {
                        answered.fetch_add(1, SeqCst);
                        std::thread::sleep(PAUSE);
                    }
                }
            });
        }
        clients
    }

    /// Answers in a second, over so long.
    fn goodput(&self, over: Duration) -> f64 {
        let (before, since) = (self.answered.load(SeqCst), Instant::now());
        std::thread::sleep(over);
        let answered = self.answered.load(SeqCst) - before;
        answered as f64 / since.elapsed().as_secs_f64()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
    }
}

/// Leaves when its time is over.
fn ask(web: SocketAddr) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&web, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    Ok(Answer::read(&mut stream)?.status)
}

struct Scene {
    evenkeel: Evenkeel,
    server: Server,
    clients: Clients,
    /// Answers in a second while all was well.
    usual: f64,
}

impl Scene {
    /// Up to the end of the outage.
    fn after_the_outage(more: &str) -> Scene {
        let server = Server::start();
        let endpoint = format!(
            "{more}[[pool.app.endpoint]]\nname = \"a1\"\naddress = \"{}\"\n",
            server.address
        );
        let evenkeel = Evenkeel::run(&app(&[], &endpoint));
        evenkeel.until("app", "a1", "up");
        let clients = Clients::start(evenkeel.address("web"));
        std::thread::sleep(PAUSE);
        let usual = clients.goodput(Duration::from_secs(2));
        assert!(usual > 30.0, "it is well at first: {usual:.0} a second");
        let scene = Scene {
            evenkeel,
            server,
            clients,
            usual,
        };
        assert!(scene.admission().is_null(), "{:#}", scene.admission());
        scene.server.stuck.store(true, SeqCst);
        std::thread::sleep(OUTAGE);
        scene.server.stuck.store(false, SeqCst);
        scene
    }

    fn admission(&self) -> serde_json::Value {
        self.evenkeel.ask("GET", "/v1/pools/app", "")["admission"].clone()
    }

    fn until<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(Instant::now() < end, "{what}: {}", self.evenkeel.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn what_an_outage_left_behind_is_braked_away_and_then_the_brake_lets_go() {
    let scene = Scene::after_the_outage("");
    let log = scene.evenkeel.log();
    let holds = "the brake holds, less is sent at once: ";
    assert!(log.contains(holds), "within the outage: {log}");
    let admission = scene.admission();
    let why = admission["why"].as_str().unwrap();
    assert!(why.contains("tries ended in vain"), "{why}");
    assert_eq!(admission["decided_by"], "prevention");
    let metrics = scene.evenkeel.admin("GET", "/metrics", "").unwrap().text();
    let share = metrics
        .lines()
        .find_map(|line| line.strip_prefix("evenkeel_pool_admission{pool=\"app\"} "));
    let share: f64 = share.unwrap().parse().unwrap();
    assert!((0.0..1.0).contains(&share), "{share}");
    let (_, text, _) = scene.evenkeel.command(&["status", "app"]);
    assert!(text.contains("admission at "), "{text}");

    scene.until("clients get their answers again", || {
        let goodput = scene.clients.goodput(Duration::from_secs(1));
        (goodput > 0.7 * scene.usual).then_some(())
    });
    scene.until("it binds nobody any more", || {
        scene.admission().is_null().then_some(())
    });
    scene.evenkeel.says("the brake is off");
    let goodput = scene.clients.goodput(Duration::from_secs(2));
    assert!(
        goodput > 0.7 * scene.usual,
        "it stays so: {goodput:.0} a second, {:.0} before",
        scene.usual
    );
}

#[test]
fn with_prevention_off_the_clients_keep_the_outage_going() {
    let off = "[pool.app.prevention]\nmode = \"off\"\n";
    let scene = Scene::after_the_outage(off);
    // What waits at the server by now is more than three seconds' work, nearly all of it for nobody.
    std::thread::sleep(Duration::from_millis(500));
    let goodput = scene.clients.goodput(Duration::from_secs(4));
    assert!(
        goodput < 0.3 * scene.usual,
        "{goodput:.0} a second, {:.0} before",
        scene.usual
    );
    assert!(scene.admission().is_null());
    assert!(!scene.evenkeel.log().contains("the brake"));
}
