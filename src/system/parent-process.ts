import { Socket } from 'node:net';
import { hostDescriptor, type MessageChannel, openMessageChannel } from './message-channel.ts';

/** The other end of a host process's channel, in the host itself. */
export interface ParentProcess extends MessageChannel {
  onMessage(listener: (message: unknown) => void): void;
  /** The parent wants us gone, or is gone itself. */
  onEnd(listener: () => void): void;
}

let parent: ParentProcess | null = null;

/** There is one, however often it is asked for. */
export function parentProcess(): ParentProcess {
  parent ??= connectToParent();
  return parent;
}

function connectToParent(): ParentProcess {
  const socket = new Socket({ fd: hostDescriptor });
  const listeners: ((message: unknown) => void)[] = [];
  const channel = openMessageChannel(socket, {
    onMessage: (message) => {
      for (const listener of listeners) listener(message);
    },
    onRubbish: (bytes) => {
      throw new TypeError(`The parent sent what is no message: ${bytes.toString('hex')}`);
    },
  });
  return {
    ...channel,
    onMessage: (listener) => void listeners.push(listener),
    onEnd: (listener) => void socket.once('close', listener),
  };
}
