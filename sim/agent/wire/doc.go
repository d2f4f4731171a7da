// Package wire holds the messages between control, agent and guest, and the
// framing of a process' streams.
//
// Two long connections carry everything, each a yamux session over a Unix
// socket on which the side that dialled serves HTTP: the agent dials control
// (/run/labsim/SITE/control.sock), the guest's PID 1 dials the agent
// (/.labsim/agent.sock). So control asks the agent, and the agent asks the
// guest, by plain HTTP requests; what the dialler has to tell first is Hello.
//
// Whatever a guest sends is read by this package (ReadLine, Lines, Exchange,
// ReadFrame, Guard), in bounded memory, and kept as GuestState.Cleaned leaves it.
package wire
