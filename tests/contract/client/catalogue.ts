// What a frontend team writes around the generated types: one client for each
// caller, errors as a type of their own, and entity tags that go with what was read.

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Problem = components["schemas"]["Problem"];
export type ProblemCode = Problem["code"];
export type View<Name extends keyof components["schemas"]> = components["schemas"][Name];
export type Catalogue = Client<paths>;

/** A refusal, as the server words it. */
export class Refused extends Error {
  constructor(
    readonly problem: Problem,
    readonly response: Response,
  ) {
    super(`${problem.status} ${problem.code}: ${problem.detail} ${JSON.stringify(problem.errors ?? [])}`);
  }
}

/** What was read, with the tag that a change of it starts from. */
export interface Versioned<T> {
  data: T;
  etag: string;
}

/** A caller of the API; without a token, anybody. */
export function catalogue(baseUrl: string, token?: string): Catalogue {
  return createClient<paths>({
    baseUrl,
    headers: { "Accept-Language": "en", ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
  });
}

type Answer<T> = Promise<{ data?: T; error?: Problem; response: Response }>;

/** The answer with its tag, or `Refused`. */
export async function ask<T>(answer: Answer<T>): Promise<Versioned<NonNullable<T>>> {
  const { data, error, response } = await answer;
  if (error !== undefined) throw new Refused(error, response);
  if (data === undefined || data === null) throw new Error(`${response.url}: ${response.status} without content`);
  const etag = response.headers.get("ETag");
  if (etag === null) throw new Error(`${response.url}: no ETag`);
  return { data, etag };
}

/** The header that names the version a change starts from. */
export const from = (read: { etag: string }) => ({ "If-Match": read.etag });
