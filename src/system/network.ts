import { Socket as UdpSocket } from 'node:dgram';
import { type IpcNetConnectOpts, isIPv4, Socket, type TcpNetConnectOpts } from 'node:net';

/** Told of every attempt to reach another machine: its address or name, as far as it is known. */
export type NetworkListener = (to: string) => void;

const listeners = new Set<NetworkListener>();

const named = new Set<string>();

/**
 * The user named this endpoint, so that connections to it are no attempts: what is counted is what nobody asked for. Another port of the
 * same machine is another endpoint.
 */
export const allowEndpoint = (host: string, port: number): void => void named.add(`${host} ${port}`);

/** Hears of attempts by this process, its model hosts and its trainers until the returned function is called. */
export function onNetworkAttempt(listener: NetworkListener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** What a child process saw of itself is passed on here. */
export function reportNetworkAttempt(to: string): void {
  for (const listener of listeners) listener(to);
}

let isWatching = false;

/** From now on this process reports its own attempts. For programs of ours, not for a library inside of somebody else's program. */
export function watchThisProcess(): void {
  if (isWatching) return;
  isWatching = true;
  // Every TCP client of Node comes through here, also those of http, tls and fetch; names are looked up inside of it.
  const { connect } = Socket.prototype;
  // `as` here and below: the overloads of one function, handed on as they came.
  Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
    const to = targetOf(args);
    if (to !== null && !isThisMachine(to.host) && !named.has(`${to.host} ${to.port}`)) reportNetworkAttempt(to.host);
    return (connect as (...given: unknown[]) => Socket).apply(this, args);
  } as typeof connect;
  const { send } = UdpSocket.prototype;
  UdpSocket.prototype.send = function (this: UdpSocket, ...args: unknown[]) {
    const to = args.find((value) => typeof value === 'string' && value !== args[0]);
    // A socket without a port gets one first, and then sends again.
    if (typeof to === 'string' && !isThisMachine(to) && isBound(this)) reportNetworkAttempt(to);
    return (send as (...given: unknown[]) => void).apply(this, args);
  } as typeof send;
}

/** Where a call of `connect` leads; null for a path, which leads nowhere else. Node itself passes the arguments in one list. */
function targetOf(args: readonly unknown[]): { readonly host: string; readonly port: number } | null {
  const [first, second] = Array.isArray(args[0]) ? args[0] : args;
  if (typeof first === 'object' && first !== null) {
    // `as`: what connect takes, of both kinds.
    const { path, host, port } = first as Partial<IpcNetConnectOpts & TcpNetConnectOpts>;
    return path ? null : { host: host || 'localhost', port: Number(port) };
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return null;
  return { host: typeof second === 'string' ? second : 'localhost', port: Number(first) };
}

function isBound(socket: UdpSocket): boolean {
  try {
    return socket.address().port > 0;
  } catch {
    return false;
  }
}

/** Loopback by its numbers; a name that only begins like them leads elsewhere. */
export const isThisMachine = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '0.0.0.0' || (isIPv4(host) && host.startsWith('127.'));
