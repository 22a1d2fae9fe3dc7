//! The HTTP client against servers on loopback: good ones, slow ones, lying ones.
#![cfg(test)]

use std::fs;
use std::future::Future;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pitstop::http::{Body, Connection, HttpError, Limits, Request, Response, Tls, Url, fetch};
use pitstop::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const HERE: &str = "DNS:localhost,IP:127.0.0.1";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that does the same with each connection.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start<F, D>(mut each: F) -> Self
    where
        F: FnMut(TcpStream) -> D + Send + 'static,
        D: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(each(stream));
            }
        });
        Self { port, connections }
    }

    /// Reads one request, writes `answer`, closes.
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&answer).await;
            }
        })
        .await
    }

    /// Reads one request, then writes `part` again and again.
    async fn endless(start: &'static str, part: &'static str) -> Self {
        Self::start(move |mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(start.as_bytes()).await;
            let part = part.repeat(100);
            while stream.write_all(part.as_bytes()).await.is_ok() {}
        })
        .await
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Head and body of one request; what came, if the client left.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    let mut rest = None;
    while rest != Some(0) && stream.read(&mut byte).await.is_ok_and(|n| n == 1) {
        text.push(byte[0]);
        if let Some(n) = rest {
            rest = Some(n - 1);
        } else if text.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text).to_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|t| t.split("\r\n").next());
            rest = Some(length.map_or(0, |n| n.parse().unwrap()));
        }
    }
    String::from_utf8(text).unwrap()
}

fn limits() -> Limits {
    let short = Duration::from_millis(500);
    Limits {
        connect: short,
        request: short,
        ..Limits::default()
    }
}

async fn get(url: Url) -> Result<Response, HttpError> {
    fetch(&Request::new("GET", url), &Tls::platform(), limits()).await
}

async fn open(server: &Server) -> Connection {
    Connection::open(&server.url("/"), &Tls::platform(), limits())
        .await
        .unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_request_arrives_as_written_and_its_answer_comes_back_whole() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream| {
        let tell = tell.clone();
        async move {
            tell.send(read_request(&mut stream).await).unwrap();
            let answer = "HTTP/1.1 404 Not Found\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 4\r\n\r\nnone";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let mut request = Request::new("POST", server.url("/a?b=c#d")).header("Authorization", secret("Bearer T0K3N"));
    request.body = Some(Body::Text(secret("{\"password\":\"T0K3N\"}")));
    let answer = fetch(&request, &Tls::platform(), limits()).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (404, b"none".as_slice()));
    assert_eq!(answer.header("x-one"), Some("1"));
    assert_eq!(answer.headers.iter().filter(|(name, _)| name == "x-one").count(), 2);

    let seen = told.recv().await.unwrap();
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().map(str::to_owned).collect();
    lines[1..].sort();
    let host = format!("host: 127.0.0.1:{}", server.port);
    let agent = concat!("user-agent: pitstop/", env!("CARGO_PKG_VERSION"));
    let expected = [
        "POST /a?b=c HTTP/1.1",
        "authorization: Bearer T0K3N",
        "connection: close",
        "content-length: 20",
        &host,
        agent,
    ];
    assert_eq!(lines, expected);
    assert_eq!(body, "{\"password\":\"T0K3N\"}");
    assert!(
        !format!("{request:?} {answer:?}").contains("T0K3N"),
        "a secret is not printed"
    );
}

#[tokio::test]
async fn one_connection_carries_one_request_after_the_other() {
    let server = Server::start(|mut stream| async move {
        for n in 0..3 {
            read_request(&mut stream).await;
            let answer = format!("HTTP/1.1 401 Not yet\r\nContent-Length: 1\r\n\r\n{n}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        read_request(&mut stream).await;
        let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(close.as_bytes()).await.unwrap();
    })
    .await;
    let mut connection = open(&server).await;
    let request = Request::new("POST", server.url("/wsman"));
    for n in ["0", "1", "2"] {
        assert_eq!(connection.send(&request).await.unwrap().body, n.as_bytes());
        assert!(connection.is_open());
    }
    assert_eq!(connection.send(&request).await.unwrap().status, 200);
    assert!(!connection.is_open(), "the server said that it closes");
    let after = connection.send(&request).await.unwrap_err();
    assert!(matches!(after, HttpError::NotSent { timed_out: false, .. }), "{after}");
    assert_eq!(server.connections(), 1, "it never connects again by itself");
    let url = Server::answering(OK).await.url("/");
    assert!(
        tokio::spawn(get(url)).await.unwrap().is_ok(),
        "and it may move between threads"
    );
}

#[tokio::test]
async fn a_chunked_answer_is_put_together() {
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-After: 1\r\n\r\n";
    let answer = get(Server::answering(chunked).await.url("/")).await.unwrap();
    assert_eq!(answer.body, b"abcde");
    let early = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{OK}");
    assert_eq!(get(Server::answering(early).await.url("/")).await.unwrap().body, b"ok");
    let until_the_end = "HTTP/1.1 200 OK\r\n\r\nall of it";
    assert_eq!(
        get(Server::answering(until_the_end).await.url("/")).await.unwrap().body,
        b"all of it"
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let other = Server::answering(OK).await;
    let location = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n",
        other.port
    );
    let answer = get(Server::answering(location).await.url("/")).await.unwrap();
    assert_eq!((answer.status, other.connections()), (302, 0));
}

#[tokio::test]
async fn what_did_not_reach_the_server_is_not_sent() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let refused = get(Url::parse(&format!("http://127.0.0.1:{gone}/")).unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, HttpError::NotSent { timed_out: false, .. }),
        "{refused}"
    );
    let nameless = get(Url::parse("http://no-such-host.invalid/").unwrap())
        .await
        .unwrap_err();
    assert!(matches!(nameless, HttpError::NotSent { .. }), "{nameless}");

    let silent = Server::start(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let url = Url::parse(&format!("https://127.0.0.1:{}/", silent.port)).unwrap();
    let tls = fetch(&Request::new("GET", url), &room_tls(HERE).0, limits())
        .await
        .unwrap_err();
    assert!(matches!(tls, HttpError::NotSent { timed_out: true, .. }), "{tls}");
    for error in [refused, nameless, tls] {
        assert!(!error.may_have_acted());
    }
}

#[tokio::test]
async fn what_was_sent_and_cut_may_have_acted() {
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf";
    for (answer, status) in [
        ("", None),
        ("HTTP/1.1 20", None),
        (part, Some(200)),
        (chunks, Some(200)),
    ] {
        let error = get(Server::answering(answer).await.url("/")).await.unwrap_err();
        assert!(
            matches!(&error, HttpError::Cut { status: found, .. } if *found == status),
            "{answer:?}: {error:?}"
        );
        assert!(error.may_have_acted());
    }
}

#[tokio::test]
async fn no_server_can_hold_the_client_past_its_limit() {
    let silent = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let slow = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
            .iter()
            .chain(std::iter::repeat(&b'x'));
        for byte in answer {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    })
    .await;
    let hints = Server::endless("", "HTTP/1.1 103 Early Hints\r\n\r\n").await;
    let late = Server::endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n").await;
    for (server, with_status) in [(silent, false), (slow, true), (hints, false), (late, true)] {
        let began = Instant::now();
        let error = get(server.url("/")).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_millis(1500), "{error}");
        let HttpError::TimedOut { status, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(status.is_some(), with_status);
        assert!(error.may_have_acted());
    }
}

#[tokio::test]
async fn a_server_that_stops_reading_is_left_in_time() {
    let deaf = Server::start(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let mut request = Request::new("PUT", deaf.url("/"));
    request.body = Some(Body::Bytes(vec![0; 12 * 1024 * 1024]));
    request.timeout = Some(Duration::from_millis(300));
    let error = fetch(&request, &Tls::platform(), limits()).await.unwrap_err();
    assert!(
        matches!(error, HttpError::TimedOut { status: None, .. }),
        "part of it was sent: {error}"
    );
}

#[tokio::test]
async fn an_answer_past_a_limit_is_refused() {
    let whole = Limits {
        request: Duration::from_secs(20),
        body: 1000,
        ..Limits::default()
    };
    let refused = [
        Server::endless("HTTP/1.1 200 OK\r\n", "X-More: 1\r\n").await,
        Server::endless("HTTP/1.1 200 OK\r\nX-Long: ", "x").await,
        Server::endless("HTTP/1.1 200 ", "x").await,
        Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n").await,
        Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n").await,
        Server::endless(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "5\r\nxxxxx\r\n",
        )
        .await,
        Server::endless("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxx").await,
        Server::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx").await,
    ];
    for (n, server) in refused.iter().enumerate() {
        let answer = fetch(&Request::new("GET", server.url("/")), &Tls::platform(), whole).await;
        assert!(
            matches!(answer, Err(HttpError::BadAnswer { .. } | HttpError::Cut { .. })),
            "{n}: {answer:?}"
        );
        let large = matches!(n, 3 | 5 | 6);
        let said = answer.unwrap_err().to_string();
        assert_eq!(said.contains("larger than 1000 bytes"), large, "{n}: {said}");
    }
    let full = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(1000));
    let server = Server::answering(full).await;
    let answer = fetch(&Request::new("GET", server.url("/")), &Tls::platform(), whole).await;
    assert_eq!(answer.unwrap().body.len(), 1000, "exactly the limit is allowed");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 mail\r\n",
        "\0\0\0\0",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 99999 X\r\n\r\n",
    ] {
        let error = get(Server::answering(answer).await.url("/")).await.unwrap_err();
        assert!(
            matches!(error, HttpError::BadAnswer { status: None, .. }),
            "{answer:?}: {error:?}"
        );
    }
    let two_lengths = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy";
    let error = get(Server::answering(two_lengths).await.url("/")).await.unwrap_err();
    assert!(matches!(error, HttpError::BadAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn no_value_makes_two_requests_of_one() {
    let server = Server::answering(OK).await;
    let plain = || Request::new("GET", server.url("/"));
    let wrong = [
        plain().header("X-A", secret("1\r\nX-B: 2")),
        plain().header("X-A", secret("1\n")),
        plain().header("X-A", secret("1\0")),
        plain().header("X-A: 1\r\nX-B", secret("2")),
        plain().header("", secret("2")),
        plain().header("Content-Length", secret("0")),
        plain().header("transfer-encoding", secret("chunked")),
        plain().header("Connection", secret("upgrade")),
        plain().header("Host", secret("a")).header("host", secret("b")),
        Request::new("GET / HTTP/1.1\r\nX: y", server.url("/")),
        Request::new("", server.url("/")),
        Request::new("CONNECT", server.url("/")),
        {
            let mut url = server.url("/");
            url.path = "/ HTTP/1.1\r\nX-B: 2\r\n\r\n".to_owned();
            Request::new("GET", url)
        },
    ];
    for request in wrong {
        let error = fetch(&request, &Tls::platform(), limits()).await.unwrap_err();
        assert!(matches!(error, HttpError::Invalid { .. }), "{request:?}: {error:?}");
        assert!(!error.may_have_acted());
    }
    assert_eq!(server.connections(), 0);
    let named = plain()
        .header("Host", secret("www.example.com"))
        .header("X-A", secret("ü\t1"));
    assert!(fetch(&named, &Tls::platform(), limits()).await.is_ok(), "the control");
}

#[tokio::test]
async fn a_connection_that_went_wrong_is_not_used_again() {
    let silent = Server::start(|mut stream| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let request = Request::new("GET", silent.url("/"));
    let mut late = open(&silent).await;
    assert!(matches!(late.send(&request).await, Err(HttpError::TimedOut { .. })));
    let mut dropped = open(&silent).await;
    let given_up = tokio::time::timeout(Duration::from_millis(100), dropped.send(&request)).await;
    assert!(given_up.is_err());
    for connection in [&mut late, &mut dropped] {
        assert!(!connection.is_open());
        assert!(matches!(
            connection.send(&request).await,
            Err(HttpError::NotSent { .. })
        ));
    }
    let mut elsewhere = open(&silent).await;
    let other = Request::new("GET", Url::parse("http://127.0.0.1:1/").unwrap());
    assert!(matches!(elsewhere.send(&other).await, Err(HttpError::Invalid { .. })));
    assert!(elsewhere.is_open(), "nothing was sent, so nothing is lost");
}

/// A CA made by openssl, and a server with a certificate of it for `names`.
fn room_tls(names: &str) -> (Tls, Arc<rustls::ServerConfig>) {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    let room = tempfile::tempdir().unwrap();
    fs::write(room.path().join("names"), format!("subjectAltName={names}")).unwrap();
    let ca = room.path().file_name().unwrap().to_str().unwrap();
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for command in [
        format!("req -x509 {new_key} -keyout ca.key -out ca.pem -subj /CN={ca} -days 2"),
        format!("req {new_key} -keyout server.key -out server.csr -subj /CN=server"),
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names"
            .to_owned(),
    ] {
        let mut openssl = Command::new("openssl");
        openssl
            .args(command.split(' '))
            .current_dir(&room)
            .stderr(Stdio::null())
            .stdout(Stdio::null());
        assert!(openssl.status().unwrap().success(), "{command}");
    }
    let certificate = CertificateDer::from_pem_file(room.path().join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(room.path().join("server.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let tls = Tls::with_ca(&fs::read(room.path().join("ca.pem")).unwrap()).unwrap();
    (tls, Arc::new(config))
}

async fn tls_server(config: Arc<rustls::ServerConfig>, answer: &'static str) -> Server {
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                answer_tls(&mut stream, answer).await;
            }
        }
    })
    .await
}

/// Leaves without TLS' goodbye, as an attacker does who cuts the line.
async fn answer_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), answer: &str) {
    read_request(stream).await;
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn https_believes_the_named_ca_and_nobody_else() {
    let (tls, config) = room_tls(HERE);
    let server = tls_server(config, OK).await;
    let url = |host: &str| Url::parse(&format!("https://{host}:{}/", server.port)).unwrap();
    let ask = |host: &str| Request::new("GET", url(host));
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(fetch(&ask(host), &tls, limits()).await.unwrap().body, b"ok");
    }
    let (stranger, _) = room_tls(HERE);
    let unknown = fetch(&ask("127.0.0.1"), &stranger, limits()).await.unwrap_err();
    assert!(
        matches!(&unknown, HttpError::NotSent { why, .. } if why.contains("UnknownIssuer")),
        "{unknown}"
    );
    let (tls, config) = room_tls("DNS:web1.example.com,IP:127.0.0.2");
    let server = tls_server(config, OK).await;
    for host in ["127.0.0.1", "localhost"] {
        let url = Url::parse(&format!("https://{host}:{}/", server.port)).unwrap();
        let other = fetch(&Request::new("GET", url), &tls, limits()).await.unwrap_err();
        assert!(
            matches!(&other, HttpError::NotSent { why, .. } if why.contains("not valid for name")),
            "{other}"
        );
    }
    assert!(Tls::with_ca(b"").is_err() && Tls::with_ca(b"-----BEGIN CERTIFICATE-----\n?\n").is_err());
}

#[tokio::test]
async fn a_tls_answer_that_is_cut_is_not_taken_for_a_whole_one() {
    let (tls, config) = room_tls(HERE);
    let server = tls_server(config, "HTTP/1.1 200 OK\r\n\r\nthe disk is fi").await;
    let url = Url::parse(&format!("https://127.0.0.1:{}/", server.port)).unwrap();
    let error = fetch(&Request::new("GET", url), &tls, limits()).await.unwrap_err();
    assert!(matches!(error, HttpError::Cut { status: Some(200), .. }), "{error:?}");
}
