export { nodeSockets } from './host-sockets.ts'
