//! Compressed bodies: gzip and deflate (zlib, as RFC 9110 says), inflated within a cap.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder, ZlibDecoder, ZlibEncoder};

use crate::fault::{Fault, Kind, Result, shown};

const STEP_BYTES: usize = 4 << 10;

/// An encoding that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Gzip => "gzip",
            Encoding::Deflate => "deflate",
        }
    }

    /// None is no encoding.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(None),
            "gzip" => Ok(Some(Encoding::Gzip)),
            "deflate" => Ok(Some(Encoding::Deflate)),
            _ => Err(Fault::invalid(format!("encoding {} is not taken; use gzip or deflate", shown(text, 40)))),
        }
    }

    /// What an Accept-Encoding header allows, gzip first.
    pub fn accepted(text: &str) -> Option<Self> {
        let allows = |name: &str| {
            text.split(',').any(|part| {
                let mut words = part.split(';').map(str::trim);
                let is_it = words.next().is_some_and(|word| word.eq_ignore_ascii_case(name));
                is_it && !words.any(|word| matches!(word, "q=0" | "q=0.0"))
            })
        };
        [Encoding::Gzip, Encoding::Deflate].into_iter().find(|encoding| allows(encoding.name()))
    }
}

enum Inflater {
    Gzip(GzDecoder<Vec<u8>>),
    Deflate(ZlibDecoder<Vec<u8>>),
}

impl Inflater {
    fn step(&mut self, data: &[u8]) -> std::io::Result<usize> {
        match self {
            Inflater::Gzip(decoder) => decoder.write_all(data).map(|()| decoder.get_ref().len()),
            Inflater::Deflate(decoder) => decoder.write_all(data).map(|()| decoder.get_ref().len()),
        }
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Inflater::Gzip(decoder) => decoder.finish(),
            Inflater::Deflate(decoder) => decoder.finish(),
        }
    }
}

/// `data` inflated; TooLarge over `max_bytes`. Long work lets other requests through.
pub async fn inflate(data: &[u8], encoding: Encoding, max_bytes: usize) -> Result<Bytes> {
    let mut inflater = match encoding {
        Encoding::Gzip => Inflater::Gzip(GzDecoder::new(Vec::new())),
        Encoding::Deflate => Inflater::Deflate(ZlibDecoder::new(Vec::new())),
    };
    let name = encoding.name();
    let broken = |_| Fault::invalid(format!("the {name} body is broken, cut short, or goes on after its end"));
    let too_large = || Fault::new(Kind::TooLarge, format!("the inflated body has more than {max_bytes} bytes"));
    for step in data.chunks(STEP_BYTES) {
        if inflater.step(step).map_err(broken)? > max_bytes {
            return Err(too_large());
        }
        if data.len() > STEP_BYTES {
            tokio::task::yield_now().await;
        }
    }
    let inflated = inflater.finish().map_err(broken)?;
    if inflated.len() > max_bytes { Err(too_large()) } else { Ok(inflated.into()) }
}

/// The pieces compressed.
pub fn deflate(pieces: &[Bytes], encoding: Encoding) -> Option<Bytes> {
    let size: usize = pieces.iter().map(Bytes::len).sum();
    let compress = || -> std::io::Result<Vec<u8>> {
        let room = Vec::with_capacity(size / 2);
        match encoding {
            Encoding::Gzip => {
                let mut encoder = GzEncoder::new(room, Compression::fast());
                pieces.iter().try_for_each(|piece| encoder.write_all(piece))?;
                encoder.finish()
            }
            Encoding::Deflate => {
                let mut encoder = ZlibEncoder::new(room, Compression::fast());
                pieces.iter().try_for_each(|piece| encoder.write_all(piece))?;
                encoder.finish()
            }
        }
    };
    compress().ok().map(Bytes::from)
}
