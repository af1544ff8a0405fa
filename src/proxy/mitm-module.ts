/** What is known of a module before it is asked for its hooks: in a file that loads no library. */

/** A module written for http-mitm-proxy 1.1: an object of hooks for requests, responses and errors. */
export type MitmModule = object
