//! The server's side of the protocol: as much as a scripted or hostile server needs.

use std::sync::{Arc, Mutex};

use orchestrator_core::domain::InstanceKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
pub const END: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];

pub async fn send(socket: &mut TcpStream, sequence: u8, payload: &[u8]) -> std::io::Result<()> {
    let mut frame = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    frame.push(sequence);
    frame.extend_from_slice(payload);
    socket.write_all(&frame).await
}

pub async fn receive(socket: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut header = [0; 4];
    socket.read_exact(&mut header).await?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).await?;
    Ok(payload)
}

pub fn greeting(version: &str, plugin: &str) -> Vec<u8> {
    let mut packet = vec![10];
    packet.extend_from_slice(version.as_bytes());
    packet.extend_from_slice(b"\0\x01\0\0\0abcdefgh\0");
    // Everything but TLS, which this one does not speak.
    packet.extend_from_slice(&0xf7ffu16.to_le_bytes());
    packet.extend_from_slice(&[45, 2, 0]);
    packet.extend_from_slice(&0x01ffu16.to_le_bytes());
    packet.push(21);
    packet.extend_from_slice(&[0; 10]);
    packet.extend_from_slice(b"ijklmnopqrst\0");
    packet.extend_from_slice(plugin.as_bytes());
    packet.push(0);
    packet
}

pub fn column(name: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    for text in ["def", "", "", "", name] {
        packet.push(text.len() as u8);
        packet.extend_from_slice(text.as_bytes());
    }
    packet.extend_from_slice(&[0, 12, 45, 0, 0, 1, 0, 0, 253, 0, 0, 0, 0, 0]);
    packet
}

/// What a scripted server answers to one statement.
pub enum Reply {
    /// A table; texts shorter than 250 bytes.
    Table(Vec<String>, Vec<Vec<String>>),
    /// An error number.
    Error(u16),
}

impl Reply {
    pub fn table(columns: &[&str], rows: &[&[&str]]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self::Table(owned(columns), rows.iter().map(|row| owned(row)).collect())
    }

    /// Sends it with packets numbered after `sequence`; returns the last number.
    async fn send(
        &self,
        socket: &mut TcpStream,
        sequence: u8,
        are_more_to_come: bool,
    ) -> std::io::Result<u8> {
        let mut packets: Vec<Vec<u8>> = Vec::new();
        match self {
            Self::Error(code) => {
                let mut packet = vec![0xff];
                packet.extend_from_slice(&code.to_le_bytes());
                packet.extend_from_slice(b"#HY000no");
                packets.push(packet);
            }
            Self::Table(columns, rows) => {
                packets.push(vec![columns.len() as u8]);
                packets.extend(columns.iter().map(|name| column(name)));
                for row in rows {
                    let mut packet = Vec::new();
                    for text in row {
                        packet.push(text.len() as u8);
                        packet.extend_from_slice(text.as_bytes());
                    }
                    packets.push(packet);
                }
                let mut end = END.to_vec();
                end[3] |= u8::from(are_more_to_come) << 3;
                packets.push(end);
            }
        }
        let mut sequence = sequence;
        for packet in &packets {
            sequence = sequence.wrapping_add(1);
            send(socket, sequence, packet).await?;
        }
        Ok(sequence)
    }
}

/// A server that answers by a script and remembers what it was asked.
pub struct Scripted {
    pub key: InstanceKey,
    asked: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Scripted {
    pub async fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::that_takes(true, script).await
    }

    /// One that refuses a text of several statements, as a proxy may.
    pub async fn one_by_one(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::that_takes(false, script).await
    }

    async fn that_takes(
        several: bool,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (hosts, _) = crate::servers::addresses(1);
        let listener = TcpListener::bind((hosts[0].as_str(), 0)).await.unwrap();
        let key = InstanceKey::parse(&listener.local_addr().unwrap().to_string(), 1).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = asked.clone();
        let server = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                // It ends with an error when the other side hangs up.
                let _ = Self::serve(&mut socket, several, &script, &notes).await;
            }
        });
        Self { key, asked, server }
    }

    async fn serve(
        socket: &mut TcpStream,
        takes_several: bool,
        script: &(impl Fn(&str) -> Reply + Send + Sync),
        asked: &Mutex<Vec<String>>,
    ) -> std::io::Result<()> {
        send(socket, 0, &greeting("8.0.11", "mysql_native_password")).await?;
        receive(socket).await?;
        send(socket, 2, OK).await?;
        loop {
            let command = receive(socket).await?;
            let text = String::from_utf8_lossy(&command[1..]).into_owned();
            let statements: Vec<&str> = text.split(";\n").collect();
            if statements.len() > 1 && !takes_several {
                asked.lock().unwrap().push(text);
                Reply::Error(1064).send(socket, 0, false).await?;
                continue;
            }
            let mut sequence = 0;
            for (i, statement) in statements.iter().enumerate() {
                asked.lock().unwrap().push((*statement).to_owned());
                let reply = script(statement);
                let is_last = i + 1 == statements.len();
                sequence = reply.send(socket, sequence, !is_last).await?;
                if matches!(reply, Reply::Error(_)) {
                    break;
                }
            }
        }
    }

    /// Statements so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.server.abort();
    }
}
