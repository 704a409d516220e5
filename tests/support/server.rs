//! The scripted server: replies to each request on a local port as its script says, and counts requests and connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    select,
    sync::Notify,
    time::sleep,
};
use tokio_rustls::server::TlsStream;

use crate::{
    clock::watched,
    http1, http2,
    reply::{Act, Reply, head},
    tls::Certificate,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The number of the request, from 0.
    pub index: usize,
    /// The number of its connection, from 0.
    pub connection: usize,
    /// Its first line and headers; empty of HTTP/2.
    pub head: String,
    /// Its body.
    pub body: Value,
}

impl Received {
    /// Whether the answer is to be streamed.
    pub fn is_streamed(&self) -> bool {
        self.body["stream"] == true
    }

    /// The text of the last message.
    pub fn asked(&self) -> &str {
        let messages = self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        messages.last().and_then(|message| message["content"].as_str()).unwrap_or_default()
    }
}

/// How a connection begins.
#[derive(Clone, Copy, Debug)]
pub enum Greeting {
    /// HTTP/1.1 in the clear.
    Plain,
    /// HTTP/1.1 over TLS.
    Tls(Certificate),
    /// HTTP/2 over TLS.
    Http2,
    /// A reset, before anything is read.
    Reset,
}

type Script = Box<dyn FnMut(&Received) -> Reply + Send>;
type Greet = Box<dyn FnMut(usize) -> Greeting + Send>;

/// A handle on a server that runs in the current runtime, until that ends.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    /// `None` while nobody listens.
    listener: Mutex<Option<TcpListener>>,
    listener_changed: Notify,
    greet: Mutex<Greet>,
    script: Mutex<Script>,
    requests: Mutex<Vec<Received>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    idle: AtomicUsize,
    tasks: AtomicUsize,
}

impl Server {
    /// Listens from now on, and greets each connection in the same way.
    pub fn start(greeting: Greeting, script: impl FnMut(&Received) -> Reply + Send + 'static) -> Self {
        Self::start_later(Some(Duration::ZERO), move |_| greeting, script)
    }

    /// Has an address at once and listens after a time, or never. `greet` is given the number of the connection.
    ///
    /// # Panics
    /// No port is free; outside of a runtime.
    pub fn start_later(
        after: Option<Duration>,
        greet: impl FnMut(usize) -> Greeting + Send + 'static,
        script: impl FnMut(&Received) -> Reply + Send + 'static,
    ) -> Self {
        let socket = bind(SocketAddr::from(([127, 0, 0, 1], 0)));
        let shared = Arc::new(Shared {
            address: socket.local_addr().expect("an address"),
            listener: Mutex::default(),
            listener_changed: Notify::new(),
            greet: Mutex::new(Box::new(greet)),
            script: Mutex::new(Box::new(script)),
            requests: Mutex::default(),
            accepted: AtomicUsize::default(),
            open: AtomicUsize::default(),
            idle: AtomicUsize::default(),
            tasks: AtomicUsize::default(),
        });
        shared.listen(socket, after);
        shared.spawn(accept(shared.clone()));
        Self { shared }
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Answers so from now on.
    pub fn set_script(&self, script: impl FnMut(&Received) -> Reply + Send + 'static) {
        *lock(&self.shared.script) = Box::new(script);
    }

    /// Greets the connections to come so.
    pub fn set_greeting(&self, greeting: Greeting) {
        *lock(&self.shared.greet) = Box::new(move |_| greeting);
    }

    /// Listens from now on, if it did not.
    pub fn listen(&self) {
        if lock(&self.shared.listener).is_none() {
            self.shared.listen(bind(self.shared.address), Some(Duration::ZERO));
        }
    }

    /// The requests that came as a whole.
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.shared.requests).clone()
    }

    /// How many requests came as a whole.
    pub fn count(&self) -> usize {
        lock(&self.shared.requests).len()
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many of the open connections wait for a request.
    pub fn idle(&self) -> usize {
        self.shared.idle.load(Ordering::Relaxed)
    }

    /// How many tasks of its own it has.
    pub fn tasks(&self) -> usize {
        self.shared.tasks.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Listens on the socket after a time. Until then a connection is refused, and the port is nobody else's.
    fn listen(self: &Arc<Self>, socket: TcpSocket, after: Option<Duration>) {
        let set = |shared: &Shared, socket: TcpSocket| {
            *lock(&shared.listener) = Some(socket.listen(1024).expect("a listener"));
            shared.listener_changed.notify_one();
        };
        if after == Some(Duration::ZERO) {
            return set(self, socket);
        }
        let shared = self.clone();
        self.spawn(async move {
            match after {
                Some(after) => sleep(after).await,
                None => std::future::pending().await,
            }
            if lock(&shared.listener).is_none() {
                set(&shared, socket);
            }
        });
    }

    /// Spawns a task that counts as the server's.
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let shared = self.clone();
        let guard = Counted::new(shared, |shared| &shared.tasks);
        tokio::spawn(watched(async move {
            let _guard = guard;
            task.await;
        }));
    }
}

/// Counts as long as it lives.
struct Counted {
    shared: Arc<Shared>,
    count: fn(&Shared) -> &AtomicUsize,
}

impl Counted {
    fn new(shared: Arc<Shared>, count: fn(&Shared) -> &AtomicUsize) -> Self {
        count(&shared).fetch_add(1, Ordering::Relaxed);
        Self { shared, count }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.shared).fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("a port");
    socket
}

async fn accept(shared: Arc<Shared>) {
    loop {
        let next = std::future::poll_fn(|context| match &*lock(&shared.listener) {
            Some(listener) => listener.poll_accept(context),
            None => std::task::Poll::Pending,
        });
        let tcp = select! {
            accepted = next => accepted,
            () = shared.listener_changed.notified() => continue,
        };
        let Ok((tcp, _)) = tcp else { continue };
        let connection = shared.accepted.fetch_add(1, Ordering::Relaxed);
        let greeting = lock(&shared.greet)(connection);
        let open = Counted::new(shared.clone(), |shared| &shared.open);
        let serving = shared.clone();
        shared.spawn(async move {
            let _open = open;
            // An error here is the client's doing: it goes whenever it wants.
            let _ = greeted(&serving, tcp, connection, greeting).await;
        });
    }
}

async fn greeted(
    shared: &Arc<Shared>,
    tcp: TcpStream,
    connection: usize,
    greeting: Greeting,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    match greeting {
        Greeting::Plain => serve(shared, tcp, connection, None).await,
        Greeting::Tls(certificate) => {
            let stream = certificate.acceptor(&["http/1.1"]).accept(tcp).await?;
            serve(shared, stream, connection, None).await
        }
        Greeting::Http2 => {
            let mut stream = Certificate::Trusted.acceptor(&["h2"]).accept(tcp).await?;
            http2::greet(&mut stream).await?;
            serve(shared, stream, connection, Some(0)).await
        }
        Greeting::Reset => tcp.set_zero_linger(),
    }
}

/// A connection, whatever is around it.
trait Wire: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Serves one request after another. `id`: the stream of HTTP/2.
async fn serve(
    shared: &Arc<Shared>,
    mut wire: impl Wire,
    connection: usize,
    mut id: Option<u32>,
) -> io::Result<()> {
    let is_idle = || Counted::new(shared.clone(), |shared| &shared.idle);
    // From the start: a client may open a connection and have another one free before it is there.
    let mut idle = Some(is_idle());
    loop {
        let (head, body) = match &mut id {
            None => http1::request(&mut wire).await?,
            Some(id) => {
                let body;
                (*id, body) = http2::request(&mut wire).await?;
                (String::new(), body)
            }
        };
        drop(idle.take());
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let reply = {
            let mut requests = lock(&shared.requests);
            let received = Received { index: requests.len(), connection, head, body };
            requests.push(received.clone());
            drop(requests);
            lock(&shared.script)(&received)
        };
        if let Some(time) = reply.gone_for {
            *lock(&shared.listener) = None;
            shared.listener_changed.notify_one();
            shared.listen(bind(shared.address), Some(time));
        }
        for act in &reply.acts {
            if !self::act(&mut wire, act, id).await? {
                return Ok(());
            }
        }
        if reply.gone_for.is_some() {
            return wire.shutdown().await;
        }
        idle = Some(is_idle());
    }
}

/// Does one thing. `false`: it was the last one.
async fn act(wire: &mut impl Wire, act: &Act, id: Option<u32>) -> io::Result<bool> {
    match (act, id) {
        (Act::Answer { status, headers, body }, Some(id)) => {
            http2::answer(wire, id, *status, headers, body).await?;
        }
        (Act::Answer { status, headers, body }, None) => {
            let mut lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            if *status != 204 {
                lines.push(format!("content-length: {}", body.len()));
            }
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let mut bytes = head(&format!("{status} As Told"), &lines).into_bytes();
            bytes.extend_from_slice(body);
            send(wire, &bytes).await?;
        }
        (Act::Bytes(bytes), _) => send(wire, bytes).await?,
        (Act::Pieces(bytes, length), _) => {
            for piece in bytes.chunks((*length).max(1)) {
                send(wire, piece).await?;
                tokio::task::yield_now().await;
            }
        }
        (Act::Pause(time), _) => {
            select! {
                () = sleep(*time) => {}
                () = gone(wire) => return Ok(false),
            }
        }
        (Act::Drip(bytes, pause), _) => loop {
            select! {
                () = sleep(*pause) => {}
                () = gone(wire) => return Ok(false),
            }
            send(wire, bytes).await?;
        },
        (Act::Flood(bytes), _) => loop {
            send(wire, bytes).await?;
        },
        (Act::Silence, _) => {
            gone(wire).await;
            return Ok(false);
        }
        (Act::HalfClose, _) => {
            wire.shutdown().await?;
            gone(wire).await;
            return Ok(false);
        }
        (Act::Close, _) => {
            wire.shutdown().await?;
            return Ok(false);
        }
        (Act::Reset, _) => {
            wire.tcp().set_zero_linger()?;
            return Ok(false);
        }
        (Act::GoAway, Some(id)) => {
            http2::go_away(wire, id).await?;
            // Some clients close at once, others when they have nothing else on the connection.
            gone(wire).await;
            return Ok(false);
        }
        (Act::RefuseStream, Some(id)) => http2::refuse(wire, id).await?,
        (Act::GoAway | Act::RefuseStream, None) => panic!("{act:?} is an act of HTTP/2"),
    }
    Ok(true)
}

async fn send(wire: &mut impl Wire, bytes: &[u8]) -> io::Result<()> {
    wire.write_all(bytes).await?;
    wire.flush().await
}

/// Returns when the client has gone.
async fn gone(wire: &mut impl Wire) {
    let mut buffer = [0; 1024];
    while let Ok(1..) = wire.read(&mut buffer).await {}
}
