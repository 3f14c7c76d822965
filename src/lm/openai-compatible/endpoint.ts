import { InputError } from '../../core/errors.ts';

/** Where a model is asked. `url` has no trailing slash; `model` is null where the server's only one is meant. */
export interface Endpoint {
  readonly url: string;
  readonly model: string | null;
}

const example = 'Write it as http://127.0.0.1:8080/v1#model-name.';

/** Whether the place of a model is an endpoint rather than a file. */
export const isEndpoint = (place: string): boolean => /^https?:\/\//i.test(place);

/** Reads `http://host:port/v1#model-name`; without a name the server's only model is meant. */
export function parseEndpoint(place: string): Endpoint {
  const [url = '', ...name] = place.split('#');
  return { url: checkedUrl(url), model: name.length === 0 || name[0] === '' ? null : name.join('#') };
}

/** The address as it is used and named everywhere. Throws an InputError for what cannot be one, credentials among it. */
export function checkedUrl(text: string): string {
  const refuse = (fact: string, hint = example): InputError =>
    // Without what could be a key.
    new InputError(
      'endpoint-invalid',
      [`The endpoint "${text.replace(/\/\/[^/@]*@/, '//').split('?')[0]}" ${fact}.`],
      hint,
    );
  if (!URL.canParse(text) || !isEndpoint(text)) throw refuse('is not an http or https address');
  const { username, password, search, hash, origin, pathname } = new URL(text);
  if (username !== '' || password !== '' || search !== '')
    throw refuse(
      'has credentials or a query in its address, which would be stored with every answer',
      'Put the key into an environment variable and name that: apiKeyVariable.',
    );
  if (hash !== '') throw refuse('has a model name in its address', 'Give the name as its own option: model.');
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

/** What a connection to it is made with. */
export function socketOf(url: string): { readonly host: string; readonly port: number } {
  const { hostname, port, protocol } = new URL(url);
  const usual = protocol === 'https:' ? 443 : 80;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? usual : Number(port) };
}
