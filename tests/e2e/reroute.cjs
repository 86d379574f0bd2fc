// Loaded into n8n before its own code (node --require), so that an n8n under test connects only to this machine.
//
// * Connections to graph.facebook.com go to the fake Meta on 127.0.0.1. TLS still checks the name and the certificate.
// * Connections to any other machine are refused at once: no telemetry, no licence server, no waiting for a lookup.
// * When the process that started n8n ends, however it ends, its end of the standard input closes, and n8n with all
//   its children ends too.
'use strict';

const net = require('node:net');
const { isMainThread } = require('node:worker_threads');

const META_HOST = 'graph.facebook.com';
const metaPort = Number(process.env.TICKTRAIL_E2E_META_PORT || 0);
const HERE = new Set(['localhost', '127.0.0.1', '::1', '::', '0.0.0.0', '::ffff:127.0.0.1']);

const connect = net.Socket.prototype.connect;

net.Socket.prototype.connect = function (...received) {
	// net.connect passes one array [options, callback] that carries a mark of its own; tls.connect passes options.
	const options = Array.isArray(received[0]) ? received[0][0] : received[0];
	if (options === null || typeof options !== 'object' || options.path || !options.host || HERE.has(options.host)) {
		return connect.apply(this, received);
	}
	if (options.host === META_HOST && metaPort) {
		const rerouted = { ...options, host: '127.0.0.1', port: metaPort };
		if (Array.isArray(received[0])) {
			received[0][0] = rerouted;
		} else {
			received[0] = rerouted;
		}
		return connect.apply(this, received);
	}
	const refused = new Error(`connect ECONNREFUSED ${options.host} (not on this machine)`);
	refused.code = 'ECONNREFUSED';
	process.nextTick(() => this.destroy(refused));
	return this;
};

// Only the n8n that the harness started holds the other end: not its workers, not what it starts itself.
if (isMainThread && Number(process.env.TICKTRAIL_E2E_PARENT || 0) === process.ppid) {
	process.stdin.on('close', () => process.kill(-process.pid, 'SIGKILL'));
	process.stdin.resume();
	process.stdin.unref();
}
