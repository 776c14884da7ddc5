package main

// What the API server asks of a node's kubelet: logs, exec and port-forward of the pods that stand in a directory.
//
// PODS/<namespace>/<pod>/network           the pod's network namespace
// PODS/<namespace>/<pod>/<container>/enter  runs its arguments inside the container
// PODS/<namespace>/<pod>/<container>/log    what the container has written; log.previous is of the one before
// PODS/<namespace>/<pod>/<container>/ended  is there when nothing more will be written

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const (
	idle     = 4 * time.Hour
	creation = 30 * time.Second
	look     = 100 * time.Millisecond
)

type pods struct{ directory string }

func streams() error {
	listen := flag.String("listen", "", "address and port")
	certificate := flag.String("certificate", "", "what it shows, and its key: two files beside each other, .crt and .key")
	clients := flag.String("clients", "", "the authority of those who may ask")
	directory := flag.String("pods", "", "the directory of the pods")
	flag.Parse()
	authority, err := os.ReadFile(*clients)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	served := pods{*directory}
	handlers := http.NewServeMux()
	for _, uid := range []string{"", "/{uid}"} {
		handlers.HandleFunc("/exec/{namespace}/{pod}"+uid+"/{container}", served.exec)
		handlers.HandleFunc("/portForward/{namespace}/{pod}"+uid, served.portForward)
	}
	handlers.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", served.logs)
	server := http.Server{
		Addr:      *listen,
		Handler:   handlers,
		TLSConfig: &tls.Config{ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"http/1.1"}},
	}
	return server.ListenAndServeTLS(*certificate+".crt", *certificate+".key")
}

func (p pods) pod(request *http.Request) string {
	return filepath.Join(p.directory, filepath.Base(request.PathValue("namespace")), filepath.Base(request.PathValue("pod")))
}

func (p pods) exec(w http.ResponseWriter, request *http.Request) {
	options, err := remotecommand.NewOptions(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	container := request.PathValue("container")
	remotecommand.ServeExec(w, request, p, p.pod(request), "", container, request.URL.Query()["command"], options, idle, creation,
		remotecommand.SupportedStreamingProtocols)
}

// ExecInContainer runs a command where the container's own process is; a terminal is not made.
func (p pods) ExecInContainer(ctx context.Context, pod, _, container string, words []string, in io.Reader, out, failed io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	command := exec.CommandContext(ctx, filepath.Join(pod, filepath.Base(container), "enter"), words...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	command.Stdout, command.Stderr = out, out
	if failed != nil {
		command.Stderr = failed
	}
	if in != nil {
		// Not command.Stdin: Wait would wait for the client to close it.
		pipe, err := command.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(pipe, in)
			_ = pipe.Close()
		}()
	}
	err := command.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Exited() {
		return utilexec.CodeExitError{Err: err, Code: ended.ExitCode()}
	}
	return err
}

func (p pods) portForward(w http.ResponseWriter, request *http.Request) {
	options, err := portforward.NewV4Options(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, request, p, p.pod(request), "", options, idle, creation, portforward.SupportedProtocols)
}

// PortForward connects to the loopback of the pod.
func (p pods) PortForward(_ context.Context, pod, _ string, port int32, client io.ReadWriteCloser) error {
	defer client.Close()
	server, err := dial(filepath.Join(pod, "network"), net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return err
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
		done <- struct{}{}
	}()
	go func() {
		_, _ = io.Copy(client, server)
		done <- struct{}{}
		done <- struct{}{} // a server that has gone has nothing to read from the client any more
	}()
	<-done
	<-done
	return nil
}

// A connection that begins in another network namespace stays in it.
func dial(space, address string) (net.Conn, error) {
	runtime.LockOSThread()
	here, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(here)
	there, err := unix.Open(space, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer unix.Close(there)
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	connection, failed := net.DialTimeout("tcp4", address, creation)
	if err := unix.Setns(here, unix.CLONE_NEWNET); err == nil {
		runtime.UnlockOSThread() // else the thread ends with its goroutine
	}
	return connection, failed
}

func (p pods) logs(w http.ResponseWriter, request *http.Request) {
	query := request.URL.Query()
	directory, name := filepath.Join(p.pod(request), filepath.Base(request.PathValue("container"))), "log"
	if query.Get("previous") == "true" {
		name = "log.previous"
	}
	file, err := os.Open(filepath.Join(directory, name))
	if err != nil {
		http.Error(w, fmt.Sprintf("no %s of %s", name, directory), http.StatusNotFound)
		return
	}
	defer file.Close()
	if lines, err := strconv.Atoi(query.Get("tailLines")); err == nil {
		written, _ := io.ReadAll(file)
		_, _ = w.Write(tail(written, lines))
	}
	out := bufio.NewWriter(w)
	for {
		_, ended := os.Stat(filepath.Join(directory, "ended"))
		if _, err := io.Copy(out, file); err != nil || out.Flush() != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		if query.Get("follow") != "true" || ended == nil || name != "log" {
			return
		}
		select {
		case <-request.Context().Done():
			return
		case <-time.After(look):
		}
	}
}

func tail(written []byte, lines int) []byte {
	if lines <= 0 {
		return nil
	}
	from := len(bytes.TrimSuffix(written, []byte("\n")))
	for ; lines > 0 && from >= 0; lines-- {
		from = bytes.LastIndexByte(written[:from], '\n')
	}
	return written[from+1:]
}
