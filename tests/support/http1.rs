//! A request of HTTP/1.1 whose length is announced.

use tokio::io::{self, AsyncRead, AsyncReadExt};

/// The next request: its head and its body.
///
/// # Errors
/// The connection's, its end included.
pub(crate) async fn request(wire: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            let head = String::from_utf8_lossy(&bytes).into_owned();
            bytes = body;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            break (head, length.unwrap_or(0));
        }
        more(wire, &mut bytes).await?;
    };
    while bytes.len() < length {
        more(wire, &mut bytes).await?;
    }
    Ok((head, bytes))
}

async fn more(wire: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<()> {
    match wire.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
