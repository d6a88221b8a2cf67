/** Every text that the page shows, in English and Chinese. */

import { tokenEn, tokenZh } from "./tokentexts";

const en = {
  ...tokenEn,

  title: "Connection doctor",
  otherLanguage: "中文",
  otherLanguageLabel: "切换到中文",
  intro:
    "Checks from this browser what a call needs. What fails is named by the setting of the server that is wrong.",
  back: "To the start page",
  runAgain: "Check again",
  running: "Checking…",
  copy: "Copy the report",
  copied: "Copied",
  allWell: "All is well",
  someWarn: "It works, with remarks",
  someFailed: "Something is wrong",
  someLeft: "All is well so far; log in for the rest",

  tokenTitle: "Log in",
  tokenLabel: "Token",
  tokenHint:
    "This server gives no token to just anybody. Paste one of your backend, or of “peal token --account doctor”. It stays in this page. With single login, take an account of its own.",
  tokenUse: "Check with it",

  devicesTitle: "Camera and microphone",
  devicesHint: "The browser asks for permission. Nothing is recorded or sent.",
  devicesStart: "Check them",
  devicesStop: "Switch them off",
  level: "Level of the microphone",

  networkTitle: "Server and network",

  stateOk: "OK",
  stateWarning: "Remark",
  stateFailed: "Failed",
  stateNotChecked: "Not checked",
  stateRunning: "Checking…",

  checkServer: "Server",
  checkSecure: "Secure page",
  checkBrowser: "Browser",
  checkClock: "Clock",
  checkWebSocket: "WebSocket",
  checkToken: "Token",
  checkStun: "STUN",
  checkTurnUdp: "Relay over UDP",
  checkRelayUdp: "Relay to relay over UDP",
  checkTurnTcp: "Relay over TCP",
  checkRelayTcp: "Relay to relay over TCP",
  checkTurnTls: "Relay over TLS",
  checkRelayTls: "Relay to relay over TLS",
  checkRelayDirect: "Relay to this browser",
  checkMicrophone: "Microphone",
  checkCamera: "Camera",

  serverOk: "The server answers.",
  serverSilent: "The server does not answer.",
  serverSilentAdvice:
    "Is it running, and this device online? It has to listen where this address leads: --addr.",
  serverBusy: (status: string) => `The server answers ${status}: it starts or stops.`,
  serverBusyAdvice: "Wait a moment; if it stays so, look at its log.",
  serverStore: (status: string) => `The server answers ${status}: it cannot store calls.`,
  serverStoreAdvice:
    "Look at its log, which says what is wrong with the data folder or with the database: a full disk, or a locked database.",
  serverBus: (status: string) => `The server answers ${status}: it has no connection to the bus.`,
  serverBusAdvice:
    "Look at its log, and whether the NATS server runs and takes the server's user and password.",
  serverWarns: (what: string) => `The server answers, and warns: ${what}`,
  serverWarnsAdvice: "Calls can be made. Look at the databases, or at the NATS server.",
  serverWarnsBus:
    "The node has no connection to the bus: devices at other nodes hear of calls up to 2 s late, and candidates are lost.",
  serverWarnsStandby:
    "A standby of PostgreSQL streams, and synchronous_standby_names is empty: a failover to it forgets calls that were answered. Make it synchronous.",
  serverWarnsFsync: "fsync of PostgreSQL is off: a crash of its machine may destroy the database.",
  serverOther: (status: string) => `/readyz answers ${status}, and not as Peal does.`,
  serverOtherAdvice:
    "Have the proxy in front pass all paths to the server: /readyz, /healthz, /ws, /v1/, /sdk/.",

  secureOk: "The browser gives camera and microphone to this page.",
  secureLocal: "Plain HTTP on this machine, where the browser gives camera and microphone.",
  secureNot: "Plain HTTP: the browser gives this page no camera or microphone.",
  secureAdvice:
    "Give --tls-cert and --tls-key, or have a proxy in front that serves HTTPS; for trying out, “peal dev --tls --addr 0.0.0.0:8443”.",

  browserOk: "It has all that calls need.",
  browserLacks: (what: string) => `It lacks ${what}.`,
  browserAdvice: "Use a current Chrome, Edge, Firefox or Safari.",

  clockOk: "This clock and the server's agree.",
  clockAhead: (by: string) => `The server's clock is ${by} ahead of this one.`,
  clockBehind: (by: string) => `The server's clock is ${by} behind this one.`,
  clockUnknown: "The server's answers bear no time.",
  clockAdvice:
    "Set both by NTP. Tokens are good by the server's clock: one made by a clock that is off is refused as not yet good, or expires early.",
  clockSetting: "the server's clock, or this one",

  webSocketOk: "/ws opens and speaks Peal's language.",
  webSocketNoPath: (status: string) => `/ws answers ${status}: the server is not behind that path.`,
  webSocketNoPathAdvice: "Have the proxy in front pass /ws to the server.",
  webSocketRefused: "The server is there, and refuses the WebSocket.",
  webSocketRefusedAdvice:
    "Either --origins does not have this page, as when the proxy in front changes the header Host; or the proxy does not pass WebSockets (HTTP/1.1, headers Upgrade and Connection). “peal doctor” tells which.",
  webSocketProtocol: "The WebSocket opens and speaks another language.",
  webSocketProtocolAdvice: "Have the proxy pass the header Sec-WebSocket-Protocol, both ways.",
  webSocketMute: "The WebSocket opens, and the login has no answer.",
  webSocketMuteAdvice: "Have the proxy pass WebSockets both ways, without a buffer.",
  proxySetting: "the proxy in front",

  tokenOk: (account: string) => `Accepted, for ${account}.`,
  tokenNone: "No token is given.",
  tokenExpired: "The token has expired.",
  tokenExpiredAdvice:
    "Make a new one: pages ask for one each time that they connect. 10 minutes are enough for exp.",
  tokenExpiredClock: "The token has expired by the server's clock, though not by this one.",
  tokenRevoked: "The account was logged out by the backend after this token was made.",
  tokenRevokedAdvice:
    "Make a new one, and have the backend write into iat the time at which it makes the token.",
  tokenIatSetting: "iat of the token",
  tokenKey: (kid: string) => `The server knows no key “${kid}”, which the token names by kid.`,
  tokenKeyAdvice: "Have the backend write the server's --key-id as kid, or add the key by --keys.",
  tokenSecret: (kid: string) =>
    `The token is not signed with the secret that the server has for kid “${kid}”.`,
  tokenSecretAdvice:
    "Give the backend the very text of --secret (PEAL_SECRET), for HS256, used as it is written and not decoded.",
  tokenLong: "The token is good for too long.",
  tokenLongAdvice: "Have the backend set exp nearer, or allow more by --token-max-ttl.",
  tokenEarly: "The token is not good yet, by the server's clock.",
  tokenBad: (why: string) => `The token is refused: ${why}`,
  tokenBadAdvice: "It is a JWT by HS256 with kid in its header, and sub (the account) and exp.",
  tokenSetting: "the backend that makes tokens",
  tokenExpSetting: "exp of the token",
  tokenIce: (status: string) => `/v1/ice-servers answers ${status}.`,
  tokenIceAdvice: "Have the proxy pass /v1/ to the server, with the header Authorization.",

  unexpected: (why: string) => `Something went wrong: ${why}`,
  unexpectedAdvice: "Check again; if it stays so, reload the page.",
  needsServer: "The server does not answer.",
  needsSocket: "The WebSocket does not open.",
  needsLogin: "The server gives the address of the relay only to those who log in.",
  needsBrowser: "This browser has no WebRTC.",
  needsStun: "STUN does not answer, so that this browser cannot be reached over UDP.",
  needsRelayed: "There is no relayed address to send from.",

  relayOff: "The relay is off: calls connect only where the two reach each other by themselves.",
  relayOffAdvice: "Give --turn-addr an address in place of off.",
  relayIsOff: "The relay is off.",
  stunOk: (address: string) => `The server sees this device as ${address}.`,
  stunSame: "The server answers; no NAT is in between.",
  notOffered: "Not offered by this server.",
  tlsNotOffered: "Not offered; --turn-tls-addr offers it.",
  tlsMissing: "Not offered: calls do not connect from networks that let nothing but HTTPS through.",
  tlsMissingAdvice:
    "Give --turn-tls-addr, best on port 443 of an address of its own, and by --turn-host the name of its certificate.",

  noAnswer: (at: string) => `Nothing answers at ${at}.`,
  elsewhere: (at: string, found: string) =>
    `Nothing answers at ${at}, which clients receive; the relay is at ${found}.`,
  elsewhereAdvice: (found: string) =>
    `Announce the address by which clients reach the relay: ${found}, as it looks from here.`,
  privateAdvice:
    "That address is not of the public internet: announce the server's public one, where clients are not in its network.",
  portUdpAdvice: (port: string) =>
    `Open UDP port ${port} in the server's firewall and the cloud's rules, towards where --turn-addr listens. If the relay works over TCP, this network may let no UDP through.`,
  portTcpAdvice: (port: string) =>
    `Open TCP port ${port} in the server's firewall and the cloud's rules, towards where --turn-addr listens.`,
  portTlsAdvice: (port: string) =>
    `Open TCP port ${port} in the server's firewall and the cloud's rules, towards where --turn-tls-addr listens. The browser also has to trust the certificate: a self-made one does not do.`,
  hostTlsAdvice: (host: string) =>
    `The certificate is most likely not for ${host}: give by --turn-host a name that it is for. If it is, open the port of --turn-tls-addr in the firewall.`,
  otherAddressAdvice: (port: string) =>
    `Is that the relay's address? If not, announce the right one. If so, open port ${port} in the firewall.`,
  turnOk: (at: string, relayed: string) => `${at} relays from ${relayed}.`,
  turnCredentials: (at: string) =>
    `The relay at ${at} does not take the credentials that this server gives.`,
  turnCredentialsAdvice:
    "It is the relay of another process, or of one before a restart: have --turn-announce or --turn-host lead to the relay of the very server that gave them.",
  turnQuota: "The relay gives this account no more addresses.",
  turnQuotaAdvice: "Wait until other tests of this account are over, then check again.",
  turnFull: "The relay has no port left.",
  turnFullAdvice: "Widen --turn-min-port to --turn-max-port, or raise --turn-allocations.",
  turnRefused: (why: string) => `The relay refuses: ${why}`,
  turnRefusedAdvice: "Look at the server's log.",

  pairOk: "Data went through the relay and back.",
  pairNot: (relayed: string) => `Nothing comes from one relayed address to another, at ${relayed}.`,
  pairAnnounceAdvice: (relayed: string) =>
    `The relay announces ${relayed} for what it relays, and is reached at another address: announce its own.`,
  pairAdvice:
    "The relay cannot reach itself at the address that it announces: a NAT in front does not loop back, a firewall closes the ports of relayed media, or a relay that is not ours refuses it. Open --turn-min-port to --turn-max-port (UDP), and give the machine that address as well, on its loopback interface.",
  directOk: "Data went between a relayed address and this browser.",
  directNot: (relayed: string) =>
    `Nothing passes between the relayed address ${relayed} and this browser.`,
  directPrivate: (own: string) =>
    `The relay does not reach ${own}, which is not of the public internet.`,
  directPrivateAdvice:
    "Where clients are in such a network, allow it by --turn-allow-peer. If it is allowed already, open the ports of relayed media, --turn-min-port to --turn-max-port (UDP), in the firewall.",
  directAdvice:
    "Open the ports of relayed media for UDP in the server's firewall and the cloud's rules: --turn-min-port to --turn-max-port; without these it is any port. A network that lets no UDP out looks the same.",

  microphoneOk: (name: string) => `${name} hears something.`,
  microphoneSilent: (name: string) => `${name} is silent.`,
  microphoneSilentAdvice: "Speak, and look whether it is muted, or another one is the right one.",
  cameraOk: (name: string) => `${name} gives a picture.`,
  cameraBlack: (name: string) => `${name} gives no picture.`,
  cameraBlackAdvice: "Look for a cover on it, or choose another one.",
  deviceInsecure: "The browser gives none to a page of plain HTTP.",
  deviceDenied: "It is not allowed.",
  deviceDeniedAdvice:
    "Click the icon to the left of the address, allow it for this page, and check again. On a phone also look at the system's settings for the browser.",
  deviceMissing: "None was found.",
  deviceMissingAdvice: "Connect one and check again.",
  deviceInUse: "It cannot be opened.",
  deviceInUseAdvice: "Another program may be using it: close that and check again.",
  deviceOther: (why: string) => `It cannot be opened: ${why}`,
  permissionSetting: "the browser's permission",
};

export type Texts = Readonly<typeof en>;

/** The texts that need nothing put in: those that index.html may name. */
export type PlainText = {
  [K in keyof Texts]: Texts[K] extends string ? K : never;
}[keyof Texts];

const zh: Texts = {
  ...tokenZh,

  title: "连接诊断",
  otherLanguage: "English",
  otherLanguageLabel: "Switch to English",
  intro: "从这个浏览器检查一次通话所需要的一切。不通的地方，会指出服务器上哪一项设置不对。",
  back: "返回首页",
  runAgain: "重新检查",
  running: "正在检查…",
  copy: "复制报告",
  copied: "已复制",
  allWell: "一切正常",
  someWarn: "可以使用，但有提示",
  someFailed: "有问题",
  someLeft: "目前正常；登录后检查其余部分",

  tokenTitle: "登录",
  tokenLabel: "token（登录凭证）",
  tokenHint:
    "这台服务器不会随便发放 token。请粘贴后端签发的，或由 “peal token --account doctor” 生成的。它只留在本页。如果启用了单点登录，请用单独的账号。",
  tokenUse: "用它检查",

  devicesTitle: "摄像头和麦克风",
  devicesHint: "浏览器会询问是否允许。不会录制或发送任何内容。",
  devicesStart: "检查设备",
  devicesStop: "关闭设备",
  level: "麦克风音量",

  networkTitle: "服务器和网络",

  stateOk: "正常",
  stateWarning: "提示",
  stateFailed: "失败",
  stateNotChecked: "未检查",
  stateRunning: "检查中…",

  checkServer: "服务器",
  checkSecure: "安全页面",
  checkBrowser: "浏览器",
  checkClock: "时钟",
  checkWebSocket: "WebSocket 连接",
  checkToken: "token（登录凭证）",
  checkStun: "STUN 探测",
  checkTurnUdp: "中继（UDP）",
  checkRelayUdp: "中继到中继（UDP）",
  checkTurnTcp: "中继（TCP）",
  checkRelayTcp: "中继到中继（TCP）",
  checkTurnTls: "中继（TLS）",
  checkRelayTls: "中继到中继（TLS）",
  checkRelayDirect: "中继到本浏览器",
  checkMicrophone: "麦克风",
  checkCamera: "摄像头",

  serverOk: "服务器有应答。",
  serverSilent: "服务器没有应答。",
  serverSilentAdvice: "它在运行吗？本机联网了吗？它必须监听在这个地址所到之处：--addr。",
  serverBusy: (status) => `服务器返回 ${status}：正在启动或停止。`,
  serverBusyAdvice: "请稍等；如果一直如此，请查看服务器日志。",
  serverStore: (status) => `服务器返回 ${status}：无法存储通话。`,
  serverStoreAdvice: "请查看服务器日志，里面写明数据目录或数据库的问题：磁盘已满，或数据库被锁住。",
  serverBus: (status) => `服务器返回 ${status}：没有连接到总线。`,
  serverBusAdvice: "请查看服务器日志，并确认 NATS 在运行，且接受服务器的用户名和密码。",
  serverWarns: (what) => `服务器有应答，但有警告：${what}`,
  serverWarnsAdvice: "现在仍可通话。请检查数据库或 NATS。",
  serverWarnsBus: "这个节点没有连接到总线：其他节点上的设备最多晚 2 秒得知通话，候选会丢失。",
  serverWarnsStandby:
    "PostgreSQL 有备库在复制，但 synchronous_standby_names 为空：切换到备库会丢失已接听的通话。请改为同步复制。",
  serverWarnsFsync: "PostgreSQL 的 fsync 已关闭：所在机器崩溃时可能损坏数据库。",
  serverOther: (status) => `/readyz 返回 ${status}，不是 Peal 的应答。`,
  serverOtherAdvice: "请让前面的代理把所有路径转给服务器：/readyz、/healthz、/ws、/v1/、/sdk/。",

  secureOk: "浏览器允许本页使用摄像头和麦克风。",
  secureLocal: "本机上的普通 HTTP，浏览器允许使用摄像头和麦克风。",
  secureNot: "普通 HTTP：浏览器不让本页使用摄像头和麦克风。",
  secureAdvice:
    "请设置 --tls-cert 和 --tls-key，或在前面放一个提供 HTTPS 的代理；试用时可用 “peal dev --tls --addr 0.0.0.0:8443”。",

  browserOk: "具备通话所需的全部功能。",
  browserLacks: (what) => `缺少 ${what}。`,
  browserAdvice: "请使用较新的 Chrome、Edge、Firefox 或 Safari。",

  clockOk: "本机与服务器的时钟一致。",
  clockAhead: (by) => `服务器的时钟比本机快 ${by}。`,
  clockBehind: (by) => `服务器的时钟比本机慢 ${by}。`,
  clockUnknown: "服务器的应答里没有时间。",
  clockAdvice:
    "请用 NTP 校准两边。token 按服务器的时钟判断：签发方的时钟不准，token 会被当作尚未生效，或提前过期。",
  clockSetting: "服务器或本机的时钟",

  webSocketOk: "/ws 可以打开，协议正确。",
  webSocketNoPath: (status) => `/ws 返回 ${status}：这个路径后面不是服务器。`,
  webSocketNoPathAdvice: "请让前面的代理把 /ws 转给服务器。",
  webSocketRefused: "服务器在，但拒绝了 WebSocket。",
  webSocketRefusedAdvice:
    "要么 --origins 里没有本页（例如前面的代理改了 Host 头），要么代理不转发 WebSocket（HTTP/1.1，Upgrade 和 Connection 头）。“peal doctor” 能分辨是哪一种。",
  webSocketProtocol: "WebSocket 可以打开，但协议不对。",
  webSocketProtocolAdvice: "请让代理双向转发 Sec-WebSocket-Protocol 头。",
  webSocketMute: "WebSocket 可以打开，但登录没有应答。",
  webSocketMuteAdvice: "请让代理双向转发 WebSocket，不要缓冲。",
  proxySetting: "前面的代理",

  tokenOk: (account) => `已接受，账号为 ${account}。`,
  tokenNone: "没有给出 token。",
  tokenExpired: "token 已过期。",
  tokenExpiredAdvice: "请重新签发：页面每次连接都会索取一个。exp 设 10 分钟就够了。",
  tokenExpiredClock: "按服务器的时钟 token 已过期，按本机的时钟还没有。",
  tokenRevoked: "签发这个 token 之后，后端让该账号退出了登录。",
  tokenRevokedAdvice: "请重新签发，并让后端在 iat 中写入签发时间。",
  tokenIatSetting: "token 的 iat",
  tokenKey: (kid) => `token 的 kid 是 “${kid}”，服务器没有这个密钥。`,
  tokenKeyAdvice: "请让后端把服务器的 --key-id 写进 kid，或用 --keys 添加这个密钥。",
  tokenSecret: (kid) => `token 的签名，与服务器上 kid “${kid}” 的密钥不符。`,
  tokenSecretAdvice:
    "请把 --secret（PEAL_SECRET）的原文交给后端，用于 HS256；按所写的文字使用，不要解码。",
  tokenLong: "token 的有效期太长。",
  tokenLongAdvice: "请让后端把 exp 设近一些，或用 --token-max-ttl 放宽。",
  tokenEarly: "按服务器的时钟，token 尚未生效。",
  tokenBad: (why) => `token 被拒绝：${why}`,
  tokenBadAdvice: "它是 HS256 的 JWT，头部有 kid，内容有 sub（账号）和 exp。",
  tokenSetting: "签发 token 的后端",
  tokenExpSetting: "token 里的 exp",
  tokenIce: (status) => `/v1/ice-servers 返回 ${status}。`,
  tokenIceAdvice: "请让代理把 /v1/ 连同 Authorization 头转给服务器。",

  unexpected: (why) => `出错了：${why}`,
  unexpectedAdvice: "请重新检查；如果一直如此，请刷新页面。",
  needsServer: "服务器没有应答。",
  needsSocket: "WebSocket 打不开。",
  needsLogin: "没有登录，就不知道中继在哪里。",
  needsBrowser: "这个浏览器没有 WebRTC。",
  needsStun: "STUN 没有应答，无法通过 UDP 到达本浏览器。",
  needsRelayed: "没有可用的中继地址。",

  relayOff: "中继已关闭：只有双方能直接连通时才能通话。",
  relayOffAdvice: "请把 --turn-addr 的 off 换成一个地址。",
  relayIsOff: "中继已关闭。",
  stunOk: (address) => `服务器看到的本机地址是 ${address}。`,
  stunSame: "服务器有应答；中间没有 NAT。",
  notOffered: "这台服务器没有提供。",
  tlsNotOffered: "没有提供；用 --turn-tls-addr 提供。",
  tlsMissing: "没有提供：只放行 HTTPS 的网络里无法通话。",
  tlsMissingAdvice:
    "请设置 --turn-tls-addr，最好用单独地址的 443 端口，并用 --turn-host 给出证书上的名字。",

  noAnswer: (at) => `${at} 没有应答。`,
  elsewhere: (at, found) => `告诉客户端的 ${at} 没有应答；中继在 ${found}。`,
  elsewhereAdvice: (found) => `请公布客户端能到达中继的地址：从这里看是 ${found}。`,
  privateAdvice: "这不是公网地址：客户端不在服务器的内网时，请公布服务器的公网地址。",
  portUdpAdvice: (port) =>
    `请在服务器的防火墙和云的规则里放行 UDP ${port} 端口，通到 --turn-addr 监听的地方。如果 TCP 的中继可用，也可能是本网络不放行 UDP。`,
  portTcpAdvice: (port) =>
    `请在服务器的防火墙和云的规则里放行 TCP ${port} 端口，通到 --turn-addr 监听的地方。`,
  portTlsAdvice: (port) =>
    `请在服务器的防火墙和云的规则里放行 TCP ${port} 端口，通到 --turn-tls-addr 监听的地方。浏览器还必须信任证书：自签的不行。`,
  hostTlsAdvice: (host) =>
    `证书多半不是给 ${host} 的：请用 --turn-host 给出证书上的名字。如果名字没错，请在防火墙里放行 --turn-tls-addr 的端口。`,
  otherAddressAdvice: (port) =>
    `这是中继的地址吗？不是的话，请公布正确的地址；是的话，请在防火墙里放行 ${port} 端口。`,
  turnOk: (at, relayed) => `${at} 分配了中继地址 ${relayed}。`,
  turnCredentials: (at) => `${at} 的中继不接受这台服务器给出的凭据。`,
  turnCredentialsAdvice:
    "那是另一个进程的中继，或是重启之前的：请让 --turn-announce 或 --turn-host 指向给出凭据的这台服务器的中继。",
  turnQuota: "中继不再给这个账号更多地址。",
  turnQuotaAdvice: "请等这个账号的其他检查结束，再重新检查。",
  turnFull: "中继没有空闲端口了。",
  turnFullAdvice: "请扩大 --turn-min-port 到 --turn-max-port 的范围，或调高 --turn-allocations。",
  turnRefused: (why) => `中继拒绝：${why}`,
  turnRefusedAdvice: "请查看服务器日志。",

  pairOk: "数据经中继往返成功。",
  pairNot: (relayed) => `中继地址之间不通，位于 ${relayed}。`,
  pairAnnounceAdvice: (relayed) =>
    `中继为所中继的流量公布 ${relayed}，而它是在另一个地址上被到达的：请公布它自己的地址。`,
  pairAdvice:
    "中继无法通过所公布的地址到达自己：前面的 NAT 不回环，防火墙关闭了中继媒体的端口，或者那不是我们的中继、拒绝了它。请放行 --turn-min-port 到 --turn-max-port（UDP），并把这个地址也加到机器的环回接口上。",
  directOk: "数据在中继地址与本浏览器之间往返成功。",
  directNot: (relayed) => `中继地址 ${relayed} 与本浏览器之间不通。`,
  directPrivate: (own) => `中继不到达 ${own}，它不是公网地址。`,
  directPrivateAdvice:
    "如果客户端就在这样的网络里，请用 --turn-allow-peer 放行。如果已经放行，请在防火墙里放行中继媒体的端口，--turn-min-port 到 --turn-max-port（UDP）。",
  directAdvice:
    "请在服务器的防火墙和云的规则里，为 UDP 放行中继媒体的端口：--turn-min-port 到 --turn-max-port；没有设置时是任意端口。不放行 UDP 的网络看起来也是这样。",

  microphoneOk: (name) => `${name} 有声音。`,
  microphoneSilent: (name) => `${name} 没有声音。`,
  microphoneSilentAdvice: "请说话，并看看它是否静音，或应当换一个麦克风。",
  cameraOk: (name) => `${name} 有画面。`,
  cameraBlack: (name) => `${name} 没有画面。`,
  cameraBlackAdvice: "请看看镜头是否被遮住，或换一个摄像头。",
  deviceInsecure: "普通 HTTP 的页面，浏览器不给设备。",
  deviceDenied: "没有得到允许。",
  deviceDeniedAdvice:
    "请点击地址左边的图标，允许本页使用，再重新检查。手机上还要看系统里浏览器的权限。",
  deviceMissing: "没有找到设备。",
  deviceMissingAdvice: "请接上设备，再重新检查。",
  deviceInUse: "设备打不开。",
  deviceInUseAdvice: "可能有别的程序在用：请关掉它，再重新检查。",
  deviceOther: (why) => `设备打不开：${why}`,
  permissionSetting: "浏览器的权限",
};

/** What is otherwise at a `peal dev`, which has not all settings of `peal serve`. */
const devEn = {
  secureAdvice: "Start it as “peal dev --tls --addr 0.0.0.0:8443” and use its https address.",
  webSocketRefusedAdvice:
    "Have the proxy in front pass WebSockets (HTTP/1.1, headers Upgrade and Connection) and the header Host as it is. “peal doctor” tells which.",
  tokenKeyAdvice: "A peal dev knows the key “dev” alone: have it as kid.",
  tokenSecretAdvice:
    "The secret of a peal dev is in its folder: dev-secret. It is used as it is written, for HS256.",
  tokenLongAdvice: "Set exp nearer: 24 hours ahead at most.",
  tokenKidAdvice: "A peal dev knows the key “dev” alone: have it as kid, as a string.",
  tlsMissingAdvice: "Give --turn-tls-addr.",
  hostTlsAdvice: (host: string) =>
    `The browser does not take a self-made certificate for ${host}. If it does take it, open the port of --turn-tls-addr in the firewall.`,
  turnCredentialsAdvice:
    "It is the relay of another process, or of one before a restart: give --turn-addr a port of its own.",
  turnFullAdvice: "Wait until other calls are over, or start the server again.",
  pairAdvice:
    "The relay cannot reach itself at the address that it announces: a firewall closes the ports of relayed media, or a relay that is not ours refuses it. Open all UDP ports in this machine's firewall.",
  directPrivateAdvice:
    "Where clients are in such a network, allow it by --turn-allow-peer. If it is allowed already, let UDP through this machine's firewall, at any port.",
  directAdvice:
    "Let UDP through this machine's firewall, at any port: relayed media takes whichever is free. A network that lets no UDP out looks the same.",
} satisfies Partial<Texts>;

const devZh: typeof devEn = {
  secureAdvice: "请用 “peal dev --tls --addr 0.0.0.0:8443” 启动，并使用它的 https 地址。",
  webSocketRefusedAdvice:
    "请让前面的代理转发 WebSocket（HTTP/1.1，Upgrade 和 Connection 头），并原样转发 Host 头。“peal doctor” 能分辨是哪一种。",
  tokenKeyAdvice: "peal dev 只认识密钥 “dev”：请把它写进 kid。",
  tokenSecretAdvice: "peal dev 的密钥在它的数据目录里：dev-secret。用于 HS256，按所写的文字使用。",
  tokenLongAdvice: "请把 exp 设近一些：最多 24 小时之后。",
  tokenKidAdvice: "peal dev 只认识密钥 “dev”：请把它以字符串写进 kid。",
  tlsMissingAdvice: "请设置 --turn-tls-addr。",
  hostTlsAdvice: (host) =>
    `浏览器不接受 ${host} 的自签证书。如果接受，请在防火墙里放行 --turn-tls-addr 的端口。`,
  turnCredentialsAdvice: "那是另一个进程的中继，或是重启之前的：请给 --turn-addr 一个单独的端口。",
  turnFullAdvice: "请等其他通话结束，或重新启动服务器。",
  pairAdvice:
    "中继无法通过所公布的地址到达自己：防火墙关闭了中继媒体的端口，或者那不是我们的中继、拒绝了它。请在这台机器的防火墙里放行所有 UDP 端口。",
  directPrivateAdvice:
    "如果客户端就在这样的网络里，请用 --turn-allow-peer 放行。如果已经放行，请让这台机器的防火墙放行 UDP 的任意端口。",
  directAdvice:
    "请让这台机器的防火墙放行 UDP 的任意端口：中继媒体使用空闲的端口。不放行 UDP 的网络看起来也是这样。",
};

export type Language = "en" | "zh";
export const tables: Readonly<Record<Language, Texts>> = { en, zh };
export const devTables: Readonly<Record<Language, Texts>> = {
  en: { ...en, ...devEn },
  zh: { ...zh, ...devZh },
};

/** A text that index.html names; null where there is none of that name. */
export function plainText(texts: Texts, key: string): string | null {
  const text = (texts as Readonly<Record<string, unknown>>)[key];
  return typeof text === "string" ? text : null;
}
