//! A TCP proxy that delays, stalls, refuses and cuts.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Fair,
    /// Each piece arrives so many milliseconds later.
    Slow(u64),
    /// Nothing arrives, and nobody is told.
    Stalled,
    /// Connections are closed, old and new.
    Closed,
    /// When a client says COMMIT, the connection is cut before the server hears it.
    CutBeforeCommit,
    /// When a client says COMMIT, the server does it, and the connection is cut before its answer.
    CutAfterCommit,
    /// Answers are cut after so many bytes of a connection.
    CutAnswerAfter(u64),
}

pub struct Proxy {
    pub port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    upstream: u16,
    weather: Mutex<Weather>,
    /// One in so many chances is taken.
    one_in: AtomicU32,
    chances: AtomicU32,
    cuts: AtomicU64,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Before a port of this machine.
    pub fn before(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let inner = Arc::new(Inner {
            upstream,
            weather: Mutex::new(Weather::Fair),
            one_in: AtomicU32::new(1),
            chances: AtomicU32::new(0),
            cuts: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            streams: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                shared.connect(client);
            }
        });
        Self { port, inner }
    }

    pub fn set(&self, weather: Weather) {
        self.set_often(weather, 1);
    }

    /// Cuts only one time in so many.
    pub fn set_often(&self, weather: Weather, one_in: u32) {
        self.inner.one_in.store(one_in, Ordering::Relaxed);
        *self.inner.weather.lock().expect("weather") = weather;
        if weather == Weather::Closed {
            self.inner.close_all();
        }
    }

    /// How often it cut a connection by its weather.
    pub fn cuts(&self) -> u64 {
        self.inner.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::Relaxed);
        self.inner.close_all();
        // Wakes the listener.
        let _last = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Inner {
    fn weather(&self) -> Weather {
        *self.weather.lock().expect("weather")
    }

    fn close_all(&self) {
        for stream in self.streams.lock().expect("streams").drain(..) {
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }

    fn is_chosen(&self) -> bool {
        let one_in = self.one_in.load(Ordering::Relaxed).max(1);
        let is_chosen = self.chances.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1;
        if is_chosen {
            self.cuts.fetch_add(1, Ordering::Relaxed);
        }
        is_chosen
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        if self.weather() == Weather::Closed {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.upstream)) else { return };
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else { return };
        let copies = [client.try_clone(), server.try_clone()];
        self.streams.lock().expect("streams").extend(copies.into_iter().flatten());
        let _quick = (client.set_nodelay(true), server.set_nodelay(true));
        let cut_answer = Arc::new(AtomicBool::new(false));
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        let cut_too = Arc::clone(&cut_answer);
        std::thread::spawn(move || up.pump(client, server, true, &cut_too));
        std::thread::spawn(move || down.pump(server_too, client_too, false, &cut_answer));
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, is_up: bool, cut_answer: &AtomicBool) {
        let mut buffer = [0; 16384];
        let mut passed = 0;
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let mut length = length;
            let mut weather = self.weather();
            while weather == Weather::Stalled && !self.is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
                weather = self.weather();
            }
            match weather {
                // What was held back when it closes is gone.
                Weather::Closed => break,
                Weather::Slow(by) => std::thread::sleep(Duration::from_millis(by)),
                Weather::CutBeforeCommit | Weather::CutAfterCommit
                    if is_up && says_commit(&buffer[..length]) && self.is_chosen() =>
                {
                    if weather == Weather::CutBeforeCommit {
                        break;
                    }
                    cut_answer.store(true, Ordering::SeqCst);
                }
                Weather::CutAnswerAfter(bytes) if !is_up && passed + length as u64 >= bytes && self.is_chosen() => {
                    length = usize::try_from(bytes.saturating_sub(passed)).expect("a length").min(length);
                    let _half = to.write_all(&buffer[..length]);
                    break;
                }
                _ => {}
            }
            if !is_up && cut_answer.load(Ordering::SeqCst) {
                break;
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
            passed += length as u64;
        }
        let _both = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}

fn says_commit(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|word| word.eq_ignore_ascii_case(b"commit"))
}
