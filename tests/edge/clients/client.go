// net/http as it comes: what LINE WORKS does for each code on a line of standard input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
)

func post(address string, form url.Values) map[string]any {
	form.Set("client_id", os.Args[2])
	form.Set("client_secret", os.Args[3])
	answer, err := http.PostForm(address, form)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	var fields map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&fields); err != nil {
		panic(err)
	}
	return fields
}

func main() {
	codes := bufio.NewScanner(os.Stdin)
	for codes.Scan() {
		token := post(os.Args[1]+"/accessToken", url.Values{
			"grant_type": {"authorization_code"}, "code": {codes.Text()}})
		info := post(os.Args[1]+"/userInfo", url.Values{
			"access_token": {fmt.Sprint(token["access_token"])}})
		fmt.Println(info["user_id"])
	}
}
