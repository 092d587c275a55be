//! The sample service: a small HTTP server that stands for somebody's real one, in the demo and under drills.
//!
//! It is a process of its own with what a real service has and can therefore lose: a folder of cache files that it writes
//! to, data that it keeps, another service that it needs, a release that it reads when it starts, memory and processor
//! time. So faults of it are real: a full disk is the kernel's "no space left", not a switch. What cannot be done from
//! outside (being slow, leaking) is turned on at its own port under `/_drill/`, for a limited time. `/healthz` does what a request does, so that a check
//! sees what clients would. Built on hyper rather than on evenkeel's own engine: evenkeel is to stand in front of a foreign server.

mod answer;
mod disk;
mod faults;
mod load;
pub(crate) mod release;
pub(crate) mod spec;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::signal::{SigSet, Signal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::End;
use crate::style::complain;
use answer::Sample;
use spec::Spec;

/// After SIGTERM requests under way may take this long; it is shorter than any `stop_timeout` one would set.
const FINISH: Duration = Duration::from_millis(1500);

/// `__sample NAME PORT [--cache DIR] [--data DIR] [--release LINK] [--needs HOST:PORT]`.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> End {
    let spec = match Spec::parse(args.filter_map(|a| a.into_string().ok())) {
        Ok(spec) => spec,
        Err(why) => {
            complain(&why);
            return End::Usage;
        }
    };
    let who = format!("sample {}", spec.name);
    match run(spec) {
        Ok(()) => End::Done,
        Err(why) => {
            complain(&format!("{who}: {why}"));
            End::Failed
        }
    }
}

fn run(spec: Spec) -> Result<(), String> {
    let port = spec.port;
    let sample = Rc::new(Sample::new(spec)?);
    let ending = on_signal();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("no runtime: {e}"))?;
    LocalSet::new()
        .block_on(&runtime, serve(sample, port, ending))
        .map_err(|e| format!("port {port}: {e}"))
}

/// Turns true when it is asked to end.
fn on_signal() -> watch::Receiver<bool> {
    let (say, ending) = watch::channel(false);
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    if signals.thread_block().is_ok() {
        std::thread::spawn(move || {
            if signals.wait().is_ok() {
                let _ = say.send(true);
            }
            // Kept until the process ends, so that a receiver never sees a closed channel.
            std::thread::park();
            drop(say);
        });
    }
    ending
}

async fn serve(
    sample: Rc<Sample>,
    port: u16,
    mut ending: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let alive = Rc::new(());
    let told = ending.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let held = alive.clone();
                    let serving = connection(sample.clone(), stream, told.clone());
                    tokio::task::spawn_local(async move {
                        serving.await;
                        drop(held);
                    });
                }
                // Out of descriptors, most likely: let some close.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            _ = ending.wait_for(|ending| *ending) => break,
        }
    }
    drop(listener);
    let finished = async {
        while Rc::strong_count(&alive) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = tokio::time::timeout(FINISH, finished).await;
    sample.keep();
    Ok(())
}

async fn connection(sample: Rc<Sample>, stream: TcpStream, mut ending: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let sample = sample.clone();
        async move { sample.answer(request).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = ending.wait_for(|ending| *ending) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
