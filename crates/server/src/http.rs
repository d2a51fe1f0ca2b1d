//! The port for HTTP: metrics and health, for machines that watch the node.
//!
//! One thread with a runtime of its own, off unless asked for; a worker is only asked for a report, which costs it a
//! copy of its counters. It listens before the data is read, so that whoever waits for the node hears that it is loading.
//! Invariants: so many connections at once, each for one request, of bounded size and time; no body is read; what a
//! browser could be led to ask for under a foreign name is refused ([`guard`]).
//! Does not know: what metrics there are, or what makes a node ready; both are in `node`.

mod guard;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use base::WorkerId;
use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use node::settings::Settings;
use node::{Host, Report, metrics};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::timeout;

use crate::descriptors;
use crate::host::ThisHost;
use crate::http::guard::{Guard, Refusal};
use crate::listen::is_of_one_client;
use crate::ports;
use crate::shared::{Item, Shared, lock};

/// Connections at once; more wait to be accepted.
pub(crate) const CONNECTIONS_MAX: usize = 32;
/// Longest a connection may take, from being accepted to its last byte.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Longest the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Bytes of a request's head, and headers in it.
const HEAD_BYTES: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;
/// Longest the workers may take for a report.
const REPORT_TIME: Duration = Duration::from_secs(2);
/// The wait after an accept that failed, as it does while the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The thread that answers.
pub(crate) struct Http {
    address: SocketAddr,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

/// What became of a connection that was to be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Taken,
    Refused,
}

/// Whether a listener takes connections, so that a change is told once, however long it lasts.
#[derive(Default)]
struct Tide(Way);

impl Tide {
    /// Whether it goes another way than before.
    fn turns(&mut self, way: Way) -> bool {
        std::mem::replace(&mut self.0, way) != way
    }
}

/// What all connections share.
struct Desk {
    guard: Guard,
    /// Set once the node runs.
    shared: OnceLock<Arc<Shared>>,
    stop: Notify,
}

impl Http {
    /// Listens, and says that the node is loading. None if it is not wanted.
    pub(crate) fn start(settings: &Settings) -> anyhow::Result<Option<Http>> {
        if settings.http_port == 0 {
            return Ok(None);
        }
        let listeners = ports::choose_for_http(&settings.http_bind, settings.http_port)?;
        let address = listeners.first().context("`http-bind` names no address")?.local_addr()?;
        let desk =
            Arc::new(Desk { guard: Guard::new(settings), shared: OnceLock::new(), stop: Notify::new() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let here = Arc::clone(&desk);
        let run = move || runtime.block_on(here.run(listeners));
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(run);
        Ok(Some(Http { address, desk, thread: Some(thread.context("start the thread for HTTP")?) }))
    }

    /// The node runs: from now on it is asked.
    pub(crate) fn serve(&self, shared: Arc<Shared>) {
        // Called once; a second time would change nothing.
        let _ = self.desk.shared.set(shared);
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        // Kept for the thread if it does not wait yet.
        self.desk.stop.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for HTTP panicked; please report it with the log");
        }
    }
}

impl Desk {
    /// Accepts until the node stops. Connections under way end with the runtime.
    async fn run(self: Arc<Desk>, listeners: Vec<std::net::TcpListener>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        for listener in listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    tokio::spawn(Arc::clone(&self).accept(listener, Arc::clone(&places)));
                }
                Err(error) => tracing::error!(%error, "HTTP cannot listen"),
            }
        }
        self.stop.notified().await;
    }

    async fn accept(self: Arc<Desk>, listener: TcpListener, places: Arc<Semaphore>) {
        let mut tide = Tide::default();
        // The semaphore is never closed.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, from)) => {
                    if tide.turns(Way::Taken) {
                        tracing::info!("HTTP takes connections again");
                    }
                    let desk = Arc::clone(&self);
                    tokio::spawn(async move {
                        // Whoever takes longer is cut off; what the client did wrong is its own affair.
                        let _ = timeout(CONNECTION_TIME, desk.talk(stream, from.ip())).await;
                        drop(place);
                    });
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    if tide.turns(Way::Refused) {
                        let (open_files, limit) = (descriptors::open(), descriptors::limit());
                        tracing::warn!(%error, open_files, limit, "HTTP cannot take connections, it is tried again");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn talk(self: Arc<Desk>, stream: TcpStream, from: IpAddr) -> Result<(), hyper::Error> {
        let answer = service_fn(move |request| {
            let desk = Arc::clone(&self);
            async move { Ok::<_, Infallible>(desk.answer(&request, from).await) }
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADERS_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), answer)
            .await
    }

    async fn answer(&self, request: &Request<Incoming>, from: IpAddr) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        if !request.body().is_end_stream() {
            return plain(StatusCode::BAD_REQUEST, "a request has no body here\n");
        }
        if let Err(refusal) = self.guard.check_host(request) {
            return refused(refusal);
        }
        match request.uri().path() {
            "/" => plain(StatusCode::OK, "narf\n\n/metrics\n/health/live\n/health/ready\n"),
            "/health/live" => self.live(),
            "/health/ready" => self.ready().await,
            "/metrics" => self.metrics(request, from).await,
            _ => plain(
                StatusCode::NOT_FOUND,
                "not found; there are /metrics, /health/live and /health/ready\n",
            ),
        }
    }

    /// That this is answered says most of it.
    fn live(&self) -> Response<Full<Bytes>> {
        match self.shared.get().is_some_and(|shared| shared.has_failed()) {
            true => plain(StatusCode::SERVICE_UNAVAILABLE, "failed\n"),
            false => plain(StatusCode::OK, "live\n"),
        }
    }

    async fn ready(&self) -> Response<Full<Bytes>> {
        let unavailable = |word: &str| plain(StatusCode::SERVICE_UNAVAILABLE, format!("{word}\n"));
        let Some(shared) = self.shared.get() else { return unavailable("loading") };
        if shared.fabric.as_ref().is_some_and(|fabric| fabric.is_leaving()) {
            return unavailable("leaving");
        }
        match report(shared).await {
            Some(report) if report.is_ready() => plain(StatusCode::OK, "ready\n"),
            Some(report) => unavailable(&report.state_and_reason()),
            None => unavailable("the workers did not answer in time"),
        }
    }

    async fn metrics(&self, request: &Request<Incoming>, from: IpAddr) -> Response<Full<Bytes>> {
        if let Err(refusal) = self.guard.check_token(request, from) {
            return refused(refusal);
        }
        let Some(shared) = self.shared.get() else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "loading\n");
        };
        let Some(report) = report(shared).await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the workers did not answer in time\n");
        };
        let text = metrics::render(&report, &ThisHost(Arc::clone(shared)).facts());
        let mut response = plain(StatusCode::OK, text);
        let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

fn refused(refusal: Refusal) -> Response<Full<Bytes>> {
    let mut response = plain(refusal.status(), refusal.text());
    if refusal == Refusal::NoToken {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Takes a report.
type Taker = Box<dyn FnOnce(Box<Report>) + Send>;

/// Those who wait for reports, by number.
#[derive(Default)]
pub(crate) struct Reports {
    waiting: Mutex<BTreeMap<u64, Taker>>,
    next: AtomicU64,
}

impl Reports {
    /// The workers have answered. Who asked may have gone.
    pub(crate) fn answer(&self, number: u64, report: Box<Report>) {
        if let Some(waiting) = lock(&self.waiting).remove(&number) {
            waiting(report);
        }
    }
}

/// Asks the workers for a report, which is not taken any more once what this returns is dropped.
pub(crate) fn ask_report(shared: &Shared, take: impl FnOnce(Box<Report>) + Send + 'static) -> Place<'_> {
    let reports = &shared.reports;
    let place = Place { reports, number: reports.next.fetch_add(1, Ordering::Relaxed) };
    lock(&reports.waiting).insert(place.number, Box::new(take));
    shared.send(WorkerId(0), Item::Report(place.number));
    place
}

/// A place among those who wait, given up with it.
pub(crate) struct Place<'a> {
    reports: &'a Reports,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.reports.waiting).remove(&self.number);
    }
}

/// Asks the workers; none if they take too long.
async fn report(shared: &Shared) -> Option<Box<Report>> {
    let (sender, receiver) = oneshot::channel();
    // Who asked may have gone.
    let _place = ask_report(shared, move |report| drop(sender.send(report)));
    timeout(REPORT_TIME, receiver).await.ok()?.ok()
}
