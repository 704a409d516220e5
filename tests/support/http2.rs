//! The part of HTTP/2 (RFC 9113) that a server needs to answer requests, refuse them or go away; by hand, so that it can
//! also do what a good library would not.

use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const REFUSED_STREAM: u32 = 7;

/// Reads the client's preface, and sends the server's.
///
/// # Errors
/// The connection's; another beginning.
pub(crate) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    if preface != PREFACE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    frame(stream, SETTINGS, 0, 0, &[]).await
}

/// The next request: its stream and its body. Its headers are not looked at.
///
/// # Errors
/// The connection's, its end included.
pub(crate) async fn request<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<(u32, Vec<u8>)> {
    let mut body = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & (u32::MAX >> 1);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await?;
        match (head[3], head[4]) {
            (SETTINGS, flags) if flags & ACK == 0 => frame(stream, SETTINGS, ACK, 0, &[]).await?,
            (PING, flags) if flags & ACK == 0 => frame(stream, PING, ACK, 0, &payload).await?,
            // Sent without padding by the clients that are tested.
            (DATA, flags) => {
                body.extend_from_slice(&payload);
                if flags & END_STREAM != 0 {
                    return Ok((id, body));
                }
            }
            (HEADERS, flags) if flags & END_STREAM != 0 => return Ok((id, body)),
            _ => {}
        }
    }
}

/// A whole answer.
///
/// # Errors
/// The connection's.
pub(crate) async fn answer<S: AsyncWrite + Unpin>(
    stream: &mut S,
    id: u32,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<()> {
    // Literal fields that nobody has to remember, their names in the clear (RFC 7541, section 6.2.2).
    let mut block = Vec::new();
    let status = (":status".to_owned(), status.to_string());
    for (name, value) in std::iter::once(&status).chain(headers) {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short header"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    frame(stream, HEADERS, END_HEADERS, id, &block).await?;
    for chunk in body.chunks(16_000) {
        frame(stream, DATA, 0, id, chunk).await?;
    }
    frame(stream, DATA, END_STREAM, id, &[]).await
}

/// The server has not looked at this request.
///
/// # Errors
/// The connection's.
pub(crate) async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, id: u32) -> io::Result<()> {
    frame(stream, RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes()).await
}

/// The server takes no more requests, and has looked at none from this one on.
///
/// # Errors
/// The connection's.
pub(crate) async fn go_away<S: AsyncWrite + Unpin>(stream: &mut S, id: u32) -> io::Result<()> {
    let last = id.saturating_sub(2);
    let payload = [last.to_be_bytes(), 0_u32.to_be_bytes()].concat();
    frame(stream, GOAWAY, 0, 0, &payload).await
}

async fn frame<S: AsyncWrite + Unpin>(
    stream: &mut S,
    kind: u8,
    flags: u8,
    id: u32,
    payload: &[u8],
) -> io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(payload);
    stream.write_all(&bytes).await?;
    stream.flush().await
}
